"""Near-duplicates, as used for the corpus, cleaning, splits and the check for leaks.

Two texts are near-duplicates if, once numbers, dates, punctuation and emoji are masked (`skeleton`), they are equal or their
normalised edit similarity, 1 - Levenshtein distance / length of the longer one, is at least 0.8. This is computed with
integers, one edit in five characters, as 0.8 has no exact binary form: 彻底戒酒 and 想彻底戒酒 are exactly at the limit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from goalkit.datasets.minhash import candidate_pairs
from goalkit.datasets.skeleton import skeleton
from goalkit.extras import extra

EXACT_UP_TO = 10_000
"""Up to this number of distinct masked texts, all pairs are compared. Beyond, MinHash proposes candidate pairs."""

BLOCK = 512
BATCH = 50_000


def near_duplicates(one: str, other: str) -> bool:
    """Whether two texts are near-duplicates."""
    with extra("data"):
        from rapidfuzz.distance import Levenshtein

    one, other = masked(one), masked(other)
    return 5 * Levenshtein.distance(one, other) <= max(len(one), len(other))


def masked(text: str) -> str:
    """Return the skeleton of a text, or the text itself if its skeleton has only masks."""
    mask = skeleton(text)
    return mask if mask.strip("#") else text


def duplicate_groups(texts: Sequence[str] | pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Return a group number per text, int64 [N]. Near-duplicates, and near-duplicates of those, are in one group."""
    masks, places = _sorted_masks(texts)
    return linked(near_duplicate_pairs(masks), len(masks))[places]


def _sorted_masks(texts: Sequence[str] | pa.ChunkedArray) -> tuple[pa.StringArray, npt.NDArray[np.int64]]:
    """Return the distinct masked texts, sorted, and the position of each of N texts among them, int64 [N]."""
    batches = []
    for start in range(0, len(texts), BATCH):
        batch = texts[start : start + BATCH]
        batches.append(pa.array(map(masked, batch.to_pylist() if isinstance(batch, pa.ChunkedArray) else batch), pa.string()))
    encoded = pa.chunked_array(batches, pa.string()).dictionary_encode().combine_chunks()
    order = pc.sort_indices(encoded.dictionary)
    places: npt.NDArray[np.int64] = np.empty(len(order), np.int64)
    places[order.to_numpy()] = np.arange(len(order))
    return encoded.dictionary.take(order), places[encoded.indices.to_numpy()]


def linked(pairs: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    """Return the connected component of each of `count` nodes, int64 [count], linked by `pairs`, int64 [P, 2]."""
    with extra("data"):
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    return connected_components(links, directed=False)[1].astype(np.int64)  # type: ignore[no-any-return]


def near_duplicate_pairs(masks: pa.StringArray) -> npt.NDArray[np.int64]:
    """Return the positions of near-duplicates, int64 [P, 2], among masked texts that are distinct and sorted."""
    with extra("data"):
        from rapidfuzz.distance import Levenshtein
        from rapidfuzz.process import cpdist

    lengths = pc.utf8_length(masks).to_numpy().astype(np.int64)
    if len(masks) <= EXACT_UP_TO:
        return _all_pairs(masks.to_pylist(), lengths)
    kept = [np.zeros((0, 2), np.int64)]
    for pairs in candidate_pairs(masks, lengths):
        for start in range(0, len(pairs), BATCH):
            batch = pairs[start : start + BATCH]
            ones, others = (masks.take(pa.array(places)).to_pylist() for places in batch.T)
            distances = cpdist(ones, others, scorer=Levenshtein.distance, dtype=np.int32, workers=-1)
            kept.append(batch[5 * distances <= lengths[batch].max(axis=1)])
    return np.unique(np.concatenate(kept), axis=0)


def _all_pairs(masks: Sequence[str], lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Compare all pairs, in blocks of similar length. Texts that are longer by more than a quarter are skipped."""
    with extra("data"):
        from rapidfuzz.distance import Levenshtein
        from rapidfuzz.process import cdist

    order = np.argsort(lengths, kind="stable")
    kept = [np.zeros((0, 2), np.int64)]
    for start in range(0, len(order), BLOCK):
        block = order[start : start + BLOCK]
        stop = np.searchsorted(4 * lengths[order], 5 * lengths[block[-1]], side="right")
        others = order[start:stop]
        distances = cdist(
            [masks[place] for place in block],
            [masks[place] for place in others],
            scorer=Levenshtein.distance,
            score_cutoff=int(lengths[others[-1]]) // 5,
            dtype=np.int32,
            workers=-1,
        )
        rows, columns = np.nonzero(5 * distances <= np.maximum(lengths[block][:, None], lengths[others]))
        later = columns > rows
        kept.append(np.stack([block[rows[later]], others[columns[later]]], axis=1))
    return np.sort(np.concatenate(kept), axis=1)
