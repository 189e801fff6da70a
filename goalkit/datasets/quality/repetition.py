"""Checks of what is there more than once: texts, near-duplicates, templates, and their labels."""

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
"""Texts from which on a shared skeleton looks like a template that was filled in."""


def repetition_checks(
    dataset: Dataset,
    cleaned: Sequence[str],
    groups: npt.NDArray[np.int64],
    places: npt.NDArray[np.int64],
    limits: QualityLimits,
) -> tuple[Check, ...]:
    """How many rows are repeated, nearly repeated, from a template, or labelled differently elsewhere.

    Args:
        dataset: N rows.
        cleaned: what cleaning leaves of their N texts, none of them empty.
        groups: which of them are near-duplicates, int64 [N] (`goalkit.datasets.duplicate_groups`).
        places: the number that each has for the reader, int64 [N].
        limits: of the checks.
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
        """Of each group whose labels differ its rows, first one of each labelling."""
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
            f"share {len(templates):,} skeletons, each more than twice; numbers, dates and marks aside they are the same",
        ),
        check(
            "same text, other label",
            limits.contradictions,
            contradictions,
            rows_in(contradictions),
            "have a text that is labelled differently elsewhere",
        ),
        check(
            "near-duplicate, other label",
            limits.near_contradictions,
            near_contradictions,
            rows_in(near_contradictions),
            "are in a group of near-duplicates that has several labels",
        ),
    )


def group_sizes(groups: npt.NDArray[np.int64]) -> dict[int, int]:
    """How many groups of near-duplicates there are of each size above one, by size."""
    sizes = Counter(Counter(groups.tolist()).values())
    return {size: sizes[size] for size in sorted(sizes) if size > 1}


def _ids(texts: Sequence[str]) -> npt.NDArray[np.int64]:
    """A number for each of N texts, the same for equal ones, int64 [N]."""
    ids: npt.NDArray[np.int64] = pa.array(texts, pa.string()).dictionary_encode().indices.to_numpy().astype(np.int64)
    return ids


def _gathered(ids: npt.NDArray[np.int64], least: int = 2) -> list[list[int]]:
    """The rows of each number that at least so many rows have."""
    counts = np.bincount(ids)
    rows = np.flatnonzero(counts[ids] >= least)
    rows = rows[np.argsort(ids[rows], kind="stable")]
    ends = np.cumsum(counts[counts >= least])
    return [part.tolist() for part in np.split(rows, ends[:-1])] if len(rows) else []


def _varied(rows: list[int], labels: list[int]) -> list[int]:
    first = {label: row for row, label in zip(reversed(rows), reversed(labels), strict=True)}
    leading = sorted(first.values())
    return [*leading, *(row for row in rows if row not in leading)]
