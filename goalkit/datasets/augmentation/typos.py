"""Typos: characters that sound alike, as in mistakes with a Pinyin keyboard."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import ClassVar

import attrs

from goalkit.datasets.augmentation.dictionaries import read_lines
from goalkit.datasets.augmentation.protected import NEGATION, QUANTITY, protected_mask
from goalkit.datasets.augmentation.replacement import Place, Replacement
from goalkit.errors import DatasetError

_OFFERED = 5
"""Only this many characters per sound, the most common ones, are used: those that a keyboard shows at once."""


def common_homophones() -> dict[str, tuple[str, ...]]:
    """Return the shipped homophones, such as 的 地 得, 在 再, 做 作."""
    with resources.as_file(resources.files("goalkit.resources") / "homophones.txt") as path:
        return read_homophones(path)


def read_homophones(path: str | Path) -> dict[str, tuple[str, ...]]:
    """Read homophones: lines of a sound in Pinyin and its characters, the most common first, separated by tabs.

    Args:
        path: a UTF-8 file.

    Returns:
        For each character, its possible replacements.

    Raises:
        DatasetError: the file cannot be read, or a line is not of that form.
    """
    homophones: dict[str, tuple[str, ...]] = {}
    for number, line in read_lines(Path(path)):
        sound, *characters = (field.strip() for field in line.split("\t"))
        if not characters or not sound.isascii() or any(len(character) != 1 for character in characters):
            raise DatasetError(f"{path} line {number} is {line[:20]!r}: give a sound and single characters, separated by tabs")
        for character in characters:
            others = [other for other in characters[:_OFFERED] if other != character]
            homophones[character] = tuple(dict.fromkeys([*homophones.get(character, ()), *others]))
    return {character: others for character, others in homophones.items() if others}


@attrs.frozen(kw_only=True)
class Typos(Replacement):
    """Replaces characters by others that sound alike. Quantities and negations are kept; 已经 may become 以经, a common typo.

    Args:
        homophones: possible replacements per character; defaults to the shipped ones. See `read_homophones`.
        strength: share of the replaceable characters to replace, from 0 to 1; at least one if above 0.
    """

    name: ClassVar[str] = "typos"
    kept: ClassVar[frozenset[str]] = frozenset({QUANTITY, NEGATION})
    homophones: Mapping[str, tuple[str, ...]] = attrs.field(
        factory=common_homophones, repr=lambda sounds: f"<{len(sounds)} characters>"
    )

    def places(self, text: str) -> list[Place]:
        """See `Replacement.places`."""
        mask = protected_mask(text, self.kept)
        return [
            Place(start, start + 1, self.homophones[character])
            for start, character in enumerate(text)
            if character in self.homophones and not mask[start]
        ]
