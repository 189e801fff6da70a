"""The order of training: which rows make up each step of an epoch, the same in every process and every time it is asked for."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

POOL = 32
"""Batches whose rows are sorted by length together: enough to cut padding, few enough to keep the order random."""

Places = npt.NDArray[np.int64]


def epoch_steps(
    lengths: npt.NDArray[np.int64], *, rows: int, tokens: int | None, accumulation: int, seed: int, epoch: int
) -> list[list[Places]]:
    """The optimizer steps of an epoch, each a list of batches, each the places of rows of similar length.

    Every row is in exactly one batch. The division depends on (seed, epoch) alone, so that each process of a distributed
    training, and a training that is resumed, finds it again.

    Args:
        lengths: tokens of each of N rows.
        rows: rows per batch.
        tokens: instead of `rows`, the most tokens a batch may have with its padding; a longer row is a batch of its own.
        accumulation: batches per step.
        seed: of the order.
        epoch: from 1.
    """
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(lengths)).astype(np.int64)
    size = rows if tokens is None else max(1, round(tokens / float(lengths.mean())))
    batches: list[Places] = []
    for start in range(0, len(order), size * POOL):
        pool = order[start : start + size * POOL]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        batches.extend(_by_rows(pool, rows) if tokens is None else _by_tokens(pool, lengths[pool], tokens))
    shuffled = [batches[place] for place in random.permutation(len(batches))]
    return [shuffled[first : first + accumulation] for first in range(0, len(shuffled), accumulation)]


def _by_rows(pool: Places, rows: int) -> list[Places]:
    return [pool[first : first + rows] for first in range(0, len(pool), rows)]


def _by_tokens(pool: Places, lengths: npt.NDArray[np.int64], tokens: int) -> list[Places]:
    """Cut rows that are sorted by length so that rows times the longest of them stay within `tokens`."""
    batches, first = [], 0
    for place, length in enumerate(lengths.tolist()):
        if place > first and (place + 1 - first) * length > tokens:
            batches.append(pool[first:place])
            first = place
    return [*batches, pool[first:]]
