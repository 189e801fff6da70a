"""Replace words by synonyms, from the shipped dictionary or your own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from importlib import resources
from itertools import accumulate
from pathlib import Path
from typing import ClassVar

import attrs

from goalkit.datasets.augmentation.dictionaries import read_lines
from goalkit.datasets.augmentation.protected import protected_mask
from goalkit.datasets.augmentation.replacement import Place, Replacement
from goalkit.datasets.augmentation.words import words_of
from goalkit.errors import DatasetError

_CODE = re.compile(r"[A-Z][a-z]\d\d[A-Z]\d\d[=#@]")
_JOINED = 4
"""Maximum number of adjacent words that may form one entry: 背 单词."""


def goal_synonyms() -> dict[str, tuple[str, ...]]:
    """Return the shipped dictionary: words that have the same meaning in goals."""
    with resources.as_file(resources.files("goalkit.resources") / "synonyms.txt") as path:
        return read_synonyms(path)


def read_synonyms(path: str | Path) -> dict[str, tuple[str, ...]]:
    """Read a dictionary in the format of Cilin (同义词词林): a code, then words, separated by spaces.

    Codes that end in `=` mark synonyms, `#` related words and `@` single words; only synonyms are used. Words in several
    groups are left out, as their sense is ambiguous.

    Args:
        path: a UTF-8 file.

    Returns:
        For each word, its possible replacements.

    Raises:
        DatasetError: the file cannot be read, a line has no code, or there is no group of synonyms.
    """
    groups = []
    for number, line in read_lines(Path(path)):
        code, *words = line.split()
        if not _CODE.fullmatch(code):
            raise DatasetError(f"{path} line {number} begins with {code[:20]!r}: add a code such as Aa01A01=")
        if code.endswith("="):
            groups.append(tuple(dict.fromkeys(words)))
    senses = Counter(word for group in groups for word in group)
    known = [tuple(word for word in group if senses[word] == 1) for group in groups]
    synonyms = {word: tuple(other for other in group if other != word) for group in known for word in group if len(group) > 1}
    if not synonyms:
        raise DatasetError(f"{path} has no group of synonyms: give lines such as `Aa01A01= 妈妈 母亲`")
    return synonyms


@attrs.frozen(kw_only=True)
class Synonyms(Replacement):
    """Replaces words by synonyms. The variants are as good as the dictionary.

    Args:
        dictionary: possible replacements per word; defaults to the shipped dictionary. See `read_synonyms`.
        strength: share of the replaceable words to replace, from 0 to 1; at least one if above 0.
    """

    name: ClassVar[str] = "synonyms"
    dictionary: Mapping[str, tuple[str, ...]] = attrs.field(factory=goal_synonyms, repr=lambda words: f"<{len(words)} words>")

    def places(self, text: str) -> list[Place]:
        """See `Replacement.places`."""
        words = words_of(text)
        bounds = [0, *accumulate(map(len, words))]
        mask = protected_mask(text)
        places, first = [], 0
        while first < len(words):
            for last in range(min(first + _JOINED, len(words)), first, -1):
                start, stop = bounds[first], bounds[last]
                if (others := self.dictionary.get(text[start:stop])) and not mask[start:stop].any():
                    places.append(Place(start, stop, others))
                    first = last
                    break
            else:
                first += 1
        return places
