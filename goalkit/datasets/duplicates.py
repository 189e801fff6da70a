"""Near-duplicates: the one meaning of them that corpus, cleaning, splitting and the leak test share.

Two texts are near-duplicates if, once numbers, dates, punctuation and emoji are masked (`skeleton`), they are equal or their
normalised edit similarity is at least 0.8: 1 - Levenshtein distance / length of the longer one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from goalkit.datasets.minhash import candidate_pairs
from goalkit.datasets.skeleton import skeleton

SIMILAR = 0.8

EXACT_UP_TO = 10_000
"""Different masked texts up to which each is compared with each; beyond, MinHash proposes whom to compare."""

BLOCK = 512


def near_duplicates(one: str, other: str) -> bool:
    """Whether two texts are near-duplicates."""
    from rapidfuzz.distance import Levenshtein

    return Levenshtein.normalized_similarity(masked(one), masked(other)) >= SIMILAR


def masked(text: str) -> str:
    """The skeleton of a text, or the text itself if nothing else is left of it."""
    mask = skeleton(text)
    return mask if mask.strip("#") else text


def duplicate_groups(texts: Sequence[str]) -> npt.NDArray[np.int64]:
    """Which of N texts belong together, int64 [N]: near-duplicates, and theirs in turn, have the same number."""
    masks: dict[str, int] = {}
    places = np.array([masks.setdefault(masked(text), len(masks)) for text in texts], np.int64)
    return linked(near_duplicate_pairs(list(masks)), len(masks))[places]


def linked(pairs: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    """Which of `count` things hang together by pairs, int64 [P, 2], of them: a number for each, int64 [count]."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    return connected_components(links, directed=False)[1].astype(np.int64)  # type: ignore[no-any-return]


def near_duplicate_pairs(masks: Sequence[str]) -> npt.NDArray[np.int64]:
    """The pairs of different masked texts whose edit similarity is at least 0.8, as positions, int64 [P, 2]."""
    if len(masks) <= EXACT_UP_TO:
        return _all_pairs(masks)
    from rapidfuzz.distance import Levenshtein
    from rapidfuzz.process import cpdist

    kept = [np.zeros((0, 2), np.int64)]
    for pairs in candidate_pairs(masks):
        ones, others = [masks[place] for place in pairs[:, 0]], [masks[place] for place in pairs[:, 1]]
        found = cpdist(
            ones, others, scorer=Levenshtein.normalized_similarity, score_cutoff=SIMILAR, dtype=np.float32, workers=-1
        )
        kept.append(pairs[found >= np.float32(SIMILAR)])
    return np.unique(np.concatenate(kept), axis=0)


def _all_pairs(masks: Sequence[str]) -> npt.NDArray[np.int64]:
    """Each with each, by blocks of about one length: one that is a fifth longer cannot be similar."""
    from rapidfuzz.distance import Levenshtein
    from rapidfuzz.process import cdist

    order = np.array(sorted(range(len(masks)), key=lambda place: len(masks[place])), np.int64)
    lengths = np.array([len(masks[place]) for place in order])
    kept = [np.zeros((0, 2), np.int64)]
    for start in range(0, len(order), BLOCK):
        block = order[start : start + BLOCK]
        stop = np.searchsorted(lengths, lengths[start : start + BLOCK][-1] / SIMILAR + 1e-9, side="right")
        others = order[start:stop]
        similarity = cdist(
            [masks[place] for place in block],
            [masks[place] for place in others],
            scorer=Levenshtein.normalized_similarity,
            score_cutoff=SIMILAR,
            dtype=np.float32,
            workers=-1,
        )
        rows, columns = np.nonzero(similarity >= np.float32(SIMILAR))
        later = columns > rows
        kept.append(np.stack([block[rows[later]], others[columns[later]]], axis=1))
    return np.sort(np.concatenate(kept), axis=1)
