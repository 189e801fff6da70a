"""MinHash: which of very many short texts are worth comparing (Broder, 1997, On the resemblance and containment of documents).

The sets compared are of characters, each with how often it came before in the text. Texts with an edit similarity of 0.8
share at least two thirds of those (a fifth of the characters replaced leaves 0.8 in common out of 1.2), so 40 bands of 5
hashes propose 99.6 % of such pairs. Whole arrays are hashed and sorted at once: a library that keeps each text's hashes and
buckets as objects takes gigabytes for a million texts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

BANDS, ROWS = 40, 5

NEIGHBOURS = 4
"""Texts in one bucket are compared with this many next ones: enough to link all, without the square of a large bucket."""

SEED = 20_240_601


def candidate_pairs(texts: Sequence[str]) -> Iterator[npt.NDArray[np.int64]]:
    """Pairs of positions, first below second, int64 [P, 2], a band at a time; none is proposed twice within a band."""
    elements, starts = _elements(texts)
    random = np.random.default_rng(SEED)
    for _ in range(BANDS):
        key = np.zeros(len(texts), np.uint64)
        for _ in range(ROWS):
            odd, offset = random.integers(1, 2**63, 2, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
            key = _mixed(key ^ np.minimum.reduceat(_mixed(elements * odd + offset), starts))
        order = np.argsort(key, kind="stable")
        ranked = key[order]
        for step in range(1, NEIGHBOURS + 1):
            same = np.flatnonzero(ranked[step:] == ranked[:-step])
            if len(same):
                yield np.stack([order[same], order[same + step]], axis=1)


def _elements(texts: Sequence[str]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """The elements of all texts' sets as one array of numbers, and where each text's begin. No text may be empty."""
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    characters = np.frombuffer("".join(texts).encode("utf-32-le"), np.uint32).astype(np.uint64)
    owners = np.repeat(np.arange(len(texts), dtype=np.uint64), lengths)
    order = np.lexsort((characters, owners))
    fresh = np.ones(len(order), bool)
    fresh[1:] = (characters[order][1:] != characters[order][:-1]) | (owners[order][1:] != owners[order][:-1])
    begins = np.flatnonzero(fresh)
    repeat = np.arange(len(order)) - np.repeat(begins, np.diff([*begins, len(order)]))
    return characters[order] | (repeat.astype(np.uint64) << np.uint64(32)), starts


def _mixed(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Spread every bit over all (the finaliser of MurmurHash3)."""
    values = (values ^ (values >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    values = (values ^ (values >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return values ^ (values >> np.uint64(33))
