"""Order of training: the rows of each step of an epoch. The same arguments give the same order in every process."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

POOL = 32
"""Number of batches whose rows are sorted by length together: enough to reduce padding, few enough to keep order random."""

Places = npt.NDArray[np.int64]


def epoch_steps(
    lengths: npt.NDArray[np.int64], *, rows: int, tokens: int | None, accumulation: int, seed: int, epoch: int
) -> list[list[Places]]:
    """Return the optimizer steps of an epoch. A step is a list of batches; a batch has the positions of rows of similar length.

    Every row is in exactly one batch. For the same rows and settings, the result depends only on (seed, epoch), so that all
    processes of a distributed run, and a resumed run, get the same steps.

    Args:
        lengths: number of tokens of each of N rows, int64 [N].
        rows: number of rows per batch.
        tokens: maximum number of tokens per batch, including padding; replaces `rows` if given. A longer row is a batch of its
            own.
        accumulation: number of batches per step.
        seed: seed of the order.
        epoch: number of the epoch, from 1.
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
    """Divide rows sorted by length into batches whose number of rows times the longest length is at most `tokens`."""
    batches, first = [], 0
    for place, length in enumerate(lengths.tolist()):
        if place > first and (place + 1 - first) * length > tokens:
            batches.append(pool[first:place])
            first = place
    return [*batches, pool[first:]]
