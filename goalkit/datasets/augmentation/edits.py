"""Delete or swap words or characters (EDA: Wei & Zou, 2019, arXiv 1901.11196)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import attrs
import numpy as np

from goalkit.configuration import between, one_of
from goalkit.datasets.augmentation.contract import DRAWS, Augmentation, amount
from goalkit.datasets.augmentation.protected import free_words
from goalkit.datasets.augmentation.replacement import Place, Replacement
from goalkit.datasets.augmentation.words import words_of

WORD, CHARACTER = "word", "character"

MIN_FREE = 4
"""Goals with fewer unprotected words or characters are not shortened: 裸辞开店 without 裸辞 or 开店 is another goal."""


@attrs.frozen(kw_only=True)
class Deletion(Replacement):
    """Deletes some unprotected words or characters. Goals with few of them are left unchanged.

    Args:
        strength: share of the unprotected ones to delete, from 0 to 1; at least one if above 0.
        unit: "word" or "character".
    """

    name: ClassVar[str] = "deletion"
    unit: str = attrs.field(default=WORD, validator=one_of(WORD, CHARACTER))

    def places(self, text: str) -> list[Place]:
        """See `Replacement.places`."""
        free = _free(text, self.unit)
        return [Place(start, stop, ("",)) for start, stop in free] if len(free) >= MIN_FREE else []


@attrs.frozen(kw_only=True)
class Swap(Augmentation):
    """Swaps some unprotected words or characters: any two words, or two adjacent characters.

    Args:
        strength: number of swaps as a share of the unprotected ones, from 0 to 1; at least one if above 0.
        unit: "word" or "character".
    """

    name: ClassVar[str] = "swap"
    strength: float = attrs.field(default=0.1, validator=between(0, 1))
    unit: str = attrs.field(default=WORD, validator=one_of(WORD, CHARACTER))

    def drafts(self, text: str, random: np.random.Generator) -> Iterator[str]:
        """See `Augmentation.drafts`."""
        free = _free(text, self.unit)
        if self.unit == WORD:
            pairs = [(one, other) for one in range(len(free)) for other in range(one + 1, len(free))]
        else:
            pairs = [(one, one + 1) for one in range(len(free) - 1) if free[one][1] == free[one + 1][0]]
        for _ in range(DRAWS if pairs and self.strength else 0):
            order = list(range(len(free)))
            for _ in range(amount(self.strength, len(free))):
                one, other = pairs[random.integers(len(pairs))]
                order[one], order[other] = order[other], order[one]
            draft = text
            for place in reversed(range(len(free))):
                (start, stop), (other_start, other_stop) = free[place], free[order[place]]
                draft = draft[:start] + text[other_start:other_stop] + draft[stop:]
            yield draft


def _free(text: str, unit: str) -> list[tuple[int, int]]:
    return free_words(words_of(text) if unit == WORD else list(text))
