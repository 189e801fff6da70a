"""MinHash: candidate pairs of similar short texts (Broder, 1997, On the resemblance and containment of documents).

The elements of a text's set are its characters, each with its number of earlier occurrences. Texts with an edit similarity
of 0.8 share at least two thirds of them (replacing a fifth of the characters leaves 0.8 in common out of 1.2), so 40 bands of
5 hashes find 99.6 % of such pairs. Libraries with hashes and buckets as objects need gigabytes for a million texts; here a
text needs 4 bytes per band and 8 more.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

BANDS, ROWS = 40, 5

NEIGHBOURS = 16
"""Each text in a bucket is paired with this many next ones. This links all of them without quadratic cost."""

SEED = 20_240_601

BLOCK = 1 << 15
"""Number of texts whose characters are in memory at a time."""

_CHARACTER_BITS = np.uint64(21)


def candidate_pairs(texts: pa.StringArray, lengths: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
    """Yield pairs of positions, int64 [P, 2], per band and per distance within buckets.

    Pairs whose lengths or characters rule out an edit similarity of 0.8 are left out: a replacement changes at most two
    elements of the set of characters, an insertion or deletion at most one.

    Args:
        texts: N non-empty texts, sorted so that the pairs from large buckets are reproducible.
        lengths: their numbers of characters, int64 [N].
    """
    keys, alphabets = _signatures(texts)
    for key in keys:
        order = np.argsort(key, kind="stable")
        ranked = key[order]
        for step in range(1, NEIGHBOURS + 1):
            same = np.flatnonzero(ranked[step:] == ranked[:-step])
            if not len(same):
                break
            ones, others = order[same], order[same + step]
            longer, shorter = np.maximum(lengths[ones], lengths[others]), np.minimum(lengths[ones], lengths[others])
            worth = 5 * _bits(alphabets[ones] ^ alphabets[others]) <= 2 * longer
            worth &= 5 * (longer - shorter) <= longer
            yield np.stack([ones[worth], others[worth]], axis=1)


def _signatures(texts: pa.StringArray) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint64]]:
    """Return the keys of N texts per band, uint32 [BANDS, N], and a bit mask of the hashed characters of each, uint64 [N]."""
    random = np.random.default_rng(SEED)
    factors, offsets = random.integers(1, 2**63, (2, BANDS, ROWS), dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    keys = np.zeros((BANDS, len(texts)), np.uint32)
    alphabets = np.zeros(len(texts), np.uint64)
    for start in range(0, len(texts), BLOCK):
        block = texts.slice(start, BLOCK).to_pylist()
        elements, starts = _elements(block)
        distinct, places = np.unique(elements, return_inverse=True)
        characters = np.uint64(1) << (_mixed(distinct & ((np.uint64(1) << _CHARACTER_BITS) - np.uint64(1))) >> np.uint64(58))
        alphabets[start : start + len(block)] = np.bitwise_or.reduceat(characters[places], starts)
        for band in range(BANDS):
            key = np.zeros(len(block), np.uint64)
            for factor, offset in zip(factors[band], offsets[band], strict=True):
                hashes = (_mixed(distinct * factor + offset) >> np.uint64(32)).astype(np.uint32)
                key = _mixed(key ^ np.minimum.reduceat(hashes[places], starts))
            keys[band, start : start + len(block)] = key >> np.uint64(32)
    return keys, alphabets


def _elements(texts: list[str]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """Return the set elements of all texts as one array, and the start of each text's. No text may be empty."""
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    characters = np.frombuffer("".join(texts).encode("utf-32-le"), np.uint32).astype(np.uint64)
    owned = np.sort(np.repeat(np.arange(len(texts), dtype=np.uint64), lengths) << _CHARACTER_BITS | characters)
    begins = np.flatnonzero(np.concatenate([[True], owned[1:] != owned[:-1]]))
    before = np.arange(len(owned)) - np.repeat(begins, np.diff([*begins, len(owned)]))
    characters = owned & ((np.uint64(1) << _CHARACTER_BITS) - np.uint64(1))
    return characters | before.astype(np.uint64) << _CHARACTER_BITS, np.cumsum(lengths) - lengths


def _bits(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Return the number of set bits of each of N values, int64 [N]."""
    bits: npt.NDArray[np.int64] = np.unpackbits(values.view(np.uint8).reshape(-1, 8), axis=1).sum(axis=1, dtype=np.int64)
    return bits


def _mixed(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Mix the bits of each value (the finaliser of MurmurHash3)."""
    values = (values ^ (values >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    values = (values ^ (values >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return values ^ (values >> np.uint64(33))
