"""Split a dataset without leaks between the parts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import attrs
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from goalkit.datasets.dataset import PARENT, TEXT, Dataset
from goalkit.datasets.duplicates import BATCH, duplicate_groups, linked
from goalkit.errors import ConfigurationError, DatasetError

SIDES = ("train", "validation", "test")


@attrs.frozen
class Splits:
    """Three disjoint parts of a dataset: for training, validation and testing.

    All have the tasks of `train`. The other parts are converted by `Dataset.with_tasks`, so they need not have every label,
    and the label order of their tasks does not matter.

    Raises:
        DatasetError: a part has no labels for a task of `train`, or a label that the task does not have.
    """

    train: Dataset
    validation: Dataset
    test: Dataset

    def __attrs_post_init__(self) -> None:
        for side in ("validation", "test"):
            try:
                object.__setattr__(self, side, getattr(self, side).with_tasks(self.train.tasks))
            except DatasetError as error:
                raise DatasetError(f"the {side} part does not fit the training part: {error}") from error


def split(dataset: Dataset, *, train: float, validation: float, test: float, seed: int) -> Splits:
    """Split rows into three parts, stratified over all tasks.

    Near-duplicates (see `goalkit.datasets.duplicates`), and a row and all rows derived from it, are in the same part. The
    split depends on the rows and the seed, not on the order of the rows.

    Args:
        dataset: the rows to split.
        train: share of rows for training.
        validation: share of rows for validation.
        test: share of rows for testing; the three shares sum to 1.
        seed: seed of the split.

    Raises:
        ConfigurationError: the shares do not sum to 1, or one is not positive.
        DatasetError: there are too few rows for three parts.
    """
    shares = dict(zip(SIDES, (train, validation, test), strict=True))
    if min(shares.values()) <= 0 or abs(sum(shares.values()) - 1) > 1e-6:
        raise ConfigurationError(f"the shares {shares} must be positive and sum to 1, such as 0.70, 0.15 and 0.15")
    ranks = _ranks(dataset, seed)
    combinations, strata = _strata(dataset)
    sizes: list[int] = np.bincount(strata[combinations].ravel()).tolist()
    strata_of: list[list[int]] = strata.tolist()
    wanted: dict[str, list[float]] = {side: [share * size for size in sizes] for side, share in shares.items()}
    placed = {side: [0] * len(sizes) for side in SIDES}

    def room(rows: list[int], side: str) -> float:
        """Return the sum of the unfilled shares of the strata of `rows` in a part: each is 1 if empty, 0 if full."""
        here, full = placed[side], wanted[side]
        return sum(1 - here[stratum] / full[stratum] for row in rows for stratum in strata_of[combinations[row]])

    chosen: dict[str, list[int]] = {side: [] for side in SIDES}
    for rows in _families_by_size(dataset, ranks):
        side = max(SIDES, key=lambda name: room(rows, name))
        chosen[side].extend(rows)
        for row in rows:
            for stratum in strata_of[combinations[row]]:
                placed[side][stratum] += 1
    if not all(chosen.values()):
        raise DatasetError(f"{len(dataset)} rows are too few for three parts: add rows, or change the shares")
    parts = {side: np.array(rows, np.int64) for side, rows in chosen.items()}
    return Splits(**{side: dataset.take(rows[np.argsort(ranks[rows])]) for side, rows in parts.items()})


def _strata(dataset: Dataset) -> tuple[list[int], npt.NDArray[np.int64]]:
    """Return the combination of labels of each row, and the strata of each of C combinations, int64 [C, 2 + tasks].

    The strata are numbers of the combination itself, of each of its labels, and of all rows.
    """
    found, first, combinations = np.unique(dataset.combination_ids(), return_index=True, return_inverse=True)
    columns = [np.arange(len(found))]
    for task in dataset.tasks:
        columns.append(int(columns[-1].max()) + 1 + np.unique(dataset.label_ids(task)[first], return_inverse=True)[1])
    columns.append(np.full(len(found), int(columns[-1].max()) + 1))
    return combinations.tolist(), np.stack(columns, axis=1)


def families(texts: pa.ChunkedArray, parents: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Return a family number per row, int64 [N]. Near-duplicates, and rows and their parents, are in one family.

    Args:
        texts: the N texts.
        parents: the N texts from which they were derived; empty strings for none.
    """
    derived = np.flatnonzero(pc.not_equal(parents, "").to_numpy())
    groups = duplicate_groups(pa.chunked_array([*texts.chunks, *parents.take(pa.array(derived)).chunks], pa.string()))
    links = np.stack([groups[derived], groups[len(texts) :]], axis=1)
    together: npt.NDArray[np.int64] = linked(links, int(groups.max()) + 1)[groups[: len(texts)]]
    return together


def _families_by_size(dataset: Dataset, ranks: npt.NDArray[np.int64]) -> Iterator[list[int]]:
    """Yield the rows of each family by rank: the largest family first, then by the rank of its first text."""
    family = np.unique(families(dataset.table[TEXT], dataset.table[PARENT]), return_inverse=True)[1]
    alphabetic = pc.sort_indices(dataset.table[TEXT]).to_numpy()
    leads = alphabetic[np.unique(family[alphabetic], return_index=True)[1]]  # the row of the first text of each family
    starts = np.concatenate([[0], np.cumsum(np.bincount(family))])
    members = np.lexsort((ranks, family))
    for number in np.lexsort((ranks[leads], starts[:-1] - starts[1:])).tolist():
        yield members[starts[number] : starts[number + 1]].tolist()


def _ranks(dataset: Dataset, seed: int) -> npt.NDArray[np.int64]:
    """Return the rank of each of N rows, int64 [N], by the SHA-256 of seed and text, and then by labels."""
    heads, texts = bytearray(), dataset.table[TEXT]
    for start in range(0, len(texts), BATCH):
        for text in texts[start : start + BATCH].to_pylist():
            heads += hashlib.sha256(f"{seed}\t{text}".encode()).digest()[:8]
    ranks: npt.NDArray[np.int64] = np.empty(len(dataset), np.int64)
    ranks[np.lexsort((dataset.combination_ids(), np.frombuffer(heads, ">u8")))] = np.arange(len(dataset))
    return ranks
