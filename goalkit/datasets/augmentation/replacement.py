"""Base class of augmentations that replace places of a text: synonyms, typos, numbers and deletions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

import attrs
import numpy as np

from goalkit.configuration import between
from goalkit.datasets.augmentation.contract import DRAWS, Augmentation, amount


@attrs.frozen
class Place:
    """Characters `start` to `stop` of a text, and their possible replacements."""

    start: int
    stop: int
    others: tuple[str, ...]


@attrs.frozen(kw_only=True)
class Replacement(Augmentation):
    """An augmentation that replaces a random share of the possible places.

    Args:
        strength: share of places to replace, from 0 to 1; at least one if above 0.
    """

    strength: float = attrs.field(default=0.1, validator=between(0, 1))

    @abstractmethod
    def places(self, text: str) -> list[Place]:
        """Return the places where a text can be changed, from left to right and without overlap."""

    def drafts(self, text: str, random: np.random.Generator) -> Iterator[str]:
        """See `Augmentation.drafts`."""
        places = self.places(text)
        count = amount(self.strength, len(places))
        for _ in range(DRAWS if count else 0):
            draft = text
            for number in sorted(random.choice(len(places), count, replace=False).tolist(), reverse=True):
                place = places[number]
                draft = draft[: place.start] + place.others[random.integers(len(place.others))] + draft[place.stop :]
            yield draft
