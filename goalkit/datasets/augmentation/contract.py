"""Base class of augmentations, which rephrase a goal without changing its labels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np

from goalkit.datasets.augmentation.protected import KINDS, same_protected

DRAWS = 30
"""Maximum number of drafts per text. Drafts of short goals soon repeat."""


class Augmentation(ABC):
    """Derives texts from a text. Subclass it to add your own augmentation."""

    name: ClassVar[str]
    """The provenance of derived rows."""
    kept: ClassVar[frozenset[str]] = KINDS
    """The kinds of protected words (see `goalkit.datasets.augmentation.protected`) that variants keep."""

    @property
    def may_change(self) -> frozenset[str]:
        """Names of the tasks whose labels may be wrong for a variant. Empty for most augmentations."""
        return frozenset()

    def prepare(self, texts: Sequence[str]) -> None:  # noqa: B027
        """Process all texts at once, if that is faster. Called before `variants`."""

    @abstractmethod
    def drafts(self, text: str, random: np.random.Generator) -> Iterator[str]:
        """Yield a finite number of candidates, which may repeat, equal the text or lack protected words."""

    def variants(self, text: str, random: np.random.Generator) -> Iterator[str]:
        """Yield drafts that differ from the text and keep the protected words in order. They may repeat.

        Args:
            text: a goal.
            random: random generator; the same state gives the same variants.
        """
        for draft in self.drafts(text, random):
            if draft != text and same_protected(text, draft, self.kept):
                yield draft


def amount(strength: float, places: int) -> int:
    """Return the number of `places` to change: a share of `strength`, but at least one unless either is zero."""
    return min(places, max(1, round(strength * places))) if strength else 0
