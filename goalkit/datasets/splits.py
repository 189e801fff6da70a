"""Splitting a dataset so that nothing leaks from one side to another."""

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
    """Three disjoint parts of one dataset: to learn from, to choose by, and to report on once.

    All are labelled for the tasks of `train`. The other parts are brought to them by name (`Dataset.with_tasks`), so it does
    not matter whether every label occurs in them, nor in which order their own tasks have them.

    Raises:
        DatasetError: a part lacks a task of `train`, or has a label that the task there does not have.
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
    """Divide rows into three parts, stratified over all tasks at once.

    Near-duplicates (see goalkit.datasets.duplicates), and a row with all derived from it, land on one side. The division
    depends on the texts and the seed, not on the order of the rows.

    Args:
        dataset: what to divide.
        train: share of the rows to learn from.
        validation: share to choose by.
        test: share to report on; the three sum to 1.
        seed: another seed, another division.

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
        """How far below their share of this side the strata of `rows` are: 1 when empty, 0 when full."""
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
    """For each row the number of its combination of labels, and for each combination what a side has a fair share of.

    That is, as numbers, int64 [C, 2 + tasks]: the combination itself, each of its labels, and rows at all.
    """
    found, first, combinations = np.unique(dataset.combination_ids(), return_index=True, return_inverse=True)
    columns = [np.arange(len(found))]
    for task in dataset.tasks:
        columns.append(int(columns[-1].max()) + 1 + np.unique(dataset.label_ids(task)[first], return_inverse=True)[1])
    columns.append(np.full(len(found), int(columns[-1].max()) + 1))
    return combinations.tolist(), np.stack(columns, axis=1)


def families(texts: pa.ChunkedArray, parents: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Which of N rows must stay together, int64 [N]: near-duplicates, and rows with what they were derived from.

    Args:
        texts: of the N rows.
        parents: the N texts that they were derived from; an empty one says from none.
    """
    derived = np.flatnonzero(pc.not_equal(parents, "").to_numpy())
    groups = duplicate_groups(pa.chunked_array([*texts.chunks, *parents.take(pa.array(derived)).chunks], pa.string()))
    links = np.stack([groups[derived], groups[len(texts) :]], axis=1)
    together: npt.NDArray[np.int64] = linked(links, int(groups.max()) + 1)[groups[: len(texts)]]
    return together


def _families_by_size(dataset: Dataset, ranks: npt.NDArray[np.int64]) -> Iterator[list[int]]:
    """The rows of each family, the largest first, else by the rank of its first text; rows by their rank."""
    family = np.unique(families(dataset.table[TEXT], dataset.table[PARENT]), return_inverse=True)[1]
    alphabetic = pc.sort_indices(dataset.table[TEXT]).to_numpy()
    leads = alphabetic[np.unique(family[alphabetic], return_index=True)[1]]  # of each family the row of its first text
    starts = np.concatenate([[0], np.cumsum(np.bincount(family))])
    members = np.lexsort((ranks, family))
    for number in np.lexsort((ranks[leads], starts[:-1] - starts[1:])).tolist():
        yield members[starts[number] : starts[number + 1]].tolist()


def _ranks(dataset: Dataset, seed: int) -> npt.NDArray[np.int64]:
    """The places of N rows in the order of the SHA-256 of the seed and their text, and of their labels, int64 [N]."""
    heads, texts = bytearray(), dataset.table[TEXT]
    for start in range(0, len(texts), BATCH):
        for text in texts[start : start + BATCH].to_pylist():
            heads += hashlib.sha256(f"{seed}\t{text}".encode()).digest()[:8]
    ranks: npt.NDArray[np.int64] = np.empty(len(dataset), np.int64)
    ranks[np.lexsort((dataset.combination_ids(), np.frombuffer(heads, ">u8")))] = np.arange(len(dataset))
    return ranks
