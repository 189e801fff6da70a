"""Batches of texts of like length, so that little is spent on padding."""

from __future__ import annotations

import random
from collections.abc import Sequence

POOL = 32
"""Batches whose rows are sorted by length together: enough to cut padding, few enough to keep the order random."""


def epoch_batches(texts: Sequence[str], size: int, *, seed: int, epoch: int) -> list[list[int]]:
    """Positions of all texts, each once, in batches of at most `size`, shuffled anew for each (seed, epoch)."""
    generator = random.Random(f"{seed}/{epoch}")
    order = list(range(len(texts)))
    generator.shuffle(order)
    batches: list[list[int]] = []
    for start in range(0, len(order), size * POOL):
        pool = sorted(order[start : start + size * POOL], key=lambda place: len(texts[place]))
        batches.extend(pool[first : first + size] for first in range(0, len(pool), size))
    generator.shuffle(batches)
    return batches
