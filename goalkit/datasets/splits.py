"""Splitting a dataset so that nothing leaks from one side to another."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence

import attrs
import numpy as np
import numpy.typing as npt

from goalkit.datasets.dataset import PARENT, Dataset
from goalkit.datasets.duplicates import duplicate_groups, linked
from goalkit.errors import ConfigurationError, DatasetError

SIDES = ("train", "validation", "test")


@attrs.frozen
class Splits:
    """Three disjoint parts of one dataset: to learn from, to choose by, and to report on once."""

    train: Dataset
    validation: Dataset
    test: Dataset


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
    rows_of, strata = _groups(dataset), _strata(dataset)
    sizes = Counter(stratum for row in strata for stratum in row)
    placed: Counter[tuple[Hashable, str]] = Counter()

    def room(rows: list[int], side: str) -> float:
        """How far below their share of this side the strata of `rows` are: 1 when empty, 0 when full."""
        return sum(1 - placed[stratum, side] / (shares[side] * sizes[stratum]) for row in rows for stratum in strata[row])

    chosen: dict[str, list[int]] = defaultdict(list)
    for key in sorted(rows_of, key=lambda each: (-len(rows_of[each]), _hash(seed, each))):
        rows = rows_of[key]
        side = max(SIDES, key=lambda name: room(rows, name))
        chosen[side].extend(rows)
        placed.update((stratum, side) for row in rows for stratum in strata[row])
    if len(chosen) < len(SIDES):
        raise DatasetError(f"{len(dataset)} rows are too few for three parts: add rows, or change the shares")
    texts = dataset.texts
    return Splits(**{side: dataset.take(sorted(chosen[side], key=lambda row: _hash(seed, texts[row]))) for side in SIDES})


def _strata(dataset: Dataset) -> list[list[Hashable]]:
    """For each row what its side should have a fair share of: its labels together, each label, and rows at all."""
    combined = zip(*dataset.labels.values(), strict=True)
    return [[labels, *zip(dataset.labels, labels, strict=True), None] for labels in combined]


def families(texts: Sequence[str], parents: Sequence[str]) -> npt.NDArray[np.int64]:
    """Which of N rows must stay together, int64 [N]: near-duplicates, and rows with what they were derived from.

    Args:
        texts: of the N rows.
        parents: the N texts that they were derived from; an empty one says from none.
    """
    sources = [parent or text for text, parent in zip(texts, parents, strict=True)]
    groups = duplicate_groups([*texts, *sources]).reshape(2, -1)
    together: npt.NDArray[np.int64] = linked(groups.T, int(groups.max()) + 1)[groups[0]]
    return together


def _groups(dataset: Dataset) -> dict[str, list[int]]:
    """Rows that must stay together, under a key that does not depend on the order of the rows."""
    texts = dataset.texts
    members: dict[int, list[int]] = defaultdict(list)
    for row, family in enumerate(families(texts, dataset.table[PARENT].to_pylist()).tolist()):
        members[family].append(row)
    return {min(texts[row] for row in rows): rows for rows in members.values()}


def _hash(seed: int, text: str) -> bytes:
    return hashlib.sha256(f"{seed}\t{text}".encode()).digest()
