"""Checks of repeated texts, near-duplicates, templates, and contradicting labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from goalkit.datasets.dataset import TEXT, Dataset
from goalkit.datasets.quality.limits import QualityLimits
from goalkit.datasets.quality.report import SHOWN, Check, Example, at_most, shortened
from goalkit.datasets.skeleton import skeleton

_TEMPLATE_SIZE = 3
"""A skeleton that at least this many texts share counts as a template."""


def repetition_checks(
    dataset: Dataset,
    cleaned: Sequence[str],
    groups: npt.NDArray[np.int64],
    places: npt.NDArray[np.int64],
    limits: QualityLimits,
) -> tuple[Check, ...]:
    """Check for rows that are repeated, nearly repeated, from a template, or labelled differently elsewhere.

    Args:
        dataset: N rows.
        cleaned: their N texts after cleaning, none of them empty.
        groups: group numbers of near-duplicates, int64 [N] (`goalkit.datasets.duplicate_groups`).
        places: the row numbers to show, int64 [N].
        limits: the limits of the checks.
    """
    labels = dataset.combination_ids()
    same, near = _gathered(_ids(cleaned)), _gathered(groups)
    masks = [skeleton(text) for text in dataset.texts]
    templates = [rows for rows in _gathered(_ids(masks), _TEMPLATE_SIZE) if masks[rows[0]].strip("#")]

    def check(name: str, limit: float, found: Iterable[Sequence[int]], counted: int, detail: str) -> Check:
        shown = sorted(found, key=lambda rows: (-len(rows), rows))[:SHOWN]
        examples = [
            Example(
                shortened(dataset.table[TEXT][row].as_py()),
                " · ".join(dataset.table[task.name][row].as_py() for task in dataset.tasks),
                int(places[row]),
            )
            for rows in shown
            for row in rows[:_TEMPLATE_SIZE]
        ]
        return at_most(name, counted / len(dataset), limit, f"{counted:,} {detail}", examples=examples)

    def disagreeing(gathered: list[list[int]]) -> list[list[int]]:
        """Return the rows of each group with different labels, beginning with one row per labelling."""
        return [_varied(rows, labels[rows].tolist()) for rows in gathered if len(set(labels[rows].tolist())) > 1]

    def rows_in(found: Iterable[Sequence[int]]) -> int:
        return sum(map(len, found))

    repeated = rows_in(same) - len(same)
    contradictions, near_contradictions = disagreeing(same), disagreeing(near)
    return (
        check("repeated texts", limits.repeated, same, repeated, "repeat an earlier row"),
        check(
            "near-duplicates",
            limits.near_duplicates,
            near,
            rows_in(near),
            f"are in {len(near):,} groups of near-duplicates",
        ),
        check(
            "templates",
            limits.templates,
            templates,
            rows_in(templates),
            f"share {len(templates):,} skeletons, each more than twice: they differ only in numbers, dates and marks",
        ),
        check(
            "same text, other label",
            limits.contradictions,
            contradictions,
            rows_in(contradictions),
            "have a text with other labels elsewhere",
        ),
        check(
            "near-duplicate, other label",
            limits.near_contradictions,
            near_contradictions,
            rows_in(near_contradictions),
            "are in a group of near-duplicates with several labels",
        ),
    )


def group_sizes(groups: npt.NDArray[np.int64]) -> dict[int, int]:
    """Return the number of groups of near-duplicates by size, for sizes above one."""
    sizes = Counter(Counter(groups.tolist()).values())
    return {size: sizes[size] for size in sorted(sizes) if size > 1}


def _ids(texts: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return a number per text, int64 [N], that is the same for equal texts."""
    ids: npt.NDArray[np.int64] = pa.array(texts, pa.string()).dictionary_encode().indices.to_numpy().astype(np.int64)
    return ids


def _gathered(ids: npt.NDArray[np.int64], least: int = 2) -> list[list[int]]:
    """Return the rows with each number, for numbers that at least `least` rows have."""
    counts = np.bincount(ids)
    rows = np.flatnonzero(counts[ids] >= least)
    rows = rows[np.argsort(ids[rows], kind="stable")]
    ends = np.cumsum(counts[counts >= least])
    return [part.tolist() for part in np.split(rows, ends[:-1])] if len(rows) else []


def _varied(rows: list[int], labels: list[int]) -> list[int]:
    first = {label: row for row, label in zip(reversed(rows), reversed(labels), strict=True)}
    leading = sorted(first.values())
    return [*leading, *(row for row in rows if row not in leading)]
