"""What an augmentation is: a way to say a goal otherwise without making its labels untrue."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np

from goalkit.datasets.augmentation.protected import KINDS, same_protected

DRAWS = 30
"""Variants drawn of one text at most: short goals soon repeat themselves."""


class Augmentation(ABC):
    """Derives texts from a text. Subclass it to add one of your own."""

    name: ClassVar[str]
    """What stands as the provenance of the rows it makes."""
    kept: ClassVar[frozenset[str]] = KINDS
    """The kinds of protected words (see goalkit.datasets.augmentation.protected) that are in its variants as in the text."""

    @property
    def may_change(self) -> frozenset[str]:
        """Names of the tasks whose labels may be untrue of a variant by the nature of the method; of most, none."""
        return frozenset()

    def prepare(self, texts: Sequence[str]) -> None:  # noqa: B027
        """Do for all texts at once what would be slow one by one; called before `variants`."""

    @abstractmethod
    def drafts(self, text: str, random: np.random.Generator) -> Iterator[str]:
        """A finite series of candidates, which may repeat themselves, equal the text or have lost a protected word."""

    def variants(self, text: str, random: np.random.Generator) -> Iterator[str]:
        """Texts that mean about the same, the protected words in their order; may repeat themselves, may be none.

        Args:
            text: a goal.
            random: where chance comes from; the same state gives the same variants.
        """
        for draft in self.drafts(text, random):
            if draft != text and same_protected(text, draft, self.kept):
                yield draft


def amount(strength: float, places: int) -> int:
    """How many of `places` a strength changes: its share of them, at least one unless either is zero."""
    return min(places, max(1, round(strength * places))) if strength else 0
