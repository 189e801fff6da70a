"""Checks of what is there more than once: texts, near-duplicates, templates, and their labels."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import numpy.typing as npt

from goalkit.datasets.cleaning import clean_text
from goalkit.datasets.dataset import Dataset
from goalkit.datasets.quality.limits import QualityLimits
from goalkit.datasets.quality.report import SHOWN, Check, Example, at_most, shortened
from goalkit.datasets.skeleton import skeleton

_A_TEMPLATE = 3
"""Texts from which on a shared skeleton looks like a template that was filled in."""


def repetition_checks(
    dataset: Dataset, groups: npt.NDArray[Any], place: Callable[[int], int], limits: QualityLimits
) -> tuple[Check, ...]:
    """How many rows are repeated, nearly repeated, from a template, or labelled differently elsewhere.

    Args:
        dataset: N rows, none of them empty.
        groups: which of them are near-duplicates, int [N] (`goalkit.datasets.duplicate_groups`).
        place: the number that a row has for the reader.
        limits: of the checks.
    """
    texts = dataset.texts
    labels = list(zip(*dataset.labels.values(), strict=True))
    same = _gathered(clean_text(text) for text in texts)
    near = _gathered(groups.tolist())
    templates = [rows for mask, rows in _gathered(map(skeleton, texts), _A_TEMPLATE).items() if str(mask).strip("#")]

    def check(name: str, limit: float, found: Iterable[Sequence[int]], counted: int, told: str) -> Check:
        shown = sorted(found, key=lambda rows: (-len(rows), rows))[:SHOWN]
        examples = [
            Example(shortened(texts[row]), " · ".join(labels[row]), place(row)) for rows in shown for row in rows[:_A_TEMPLATE]
        ]
        return at_most(name, counted / len(texts), limit, f"{counted:,} {told}", examples=examples)

    def disagreeing(gathered: dict[Hashable, list[int]]) -> list[list[int]]:
        """Of each group whose labels differ its rows, first one of each labelling."""
        return [_varied(rows, labels) for rows in gathered.values() if len({labels[row] for row in rows}) > 1]

    def rows_in(found: Iterable[Sequence[int]]) -> int:
        return sum(map(len, found))

    repeated = rows_in(same.values()) - len(same)
    contradictions, near_contradictions = disagreeing(same), disagreeing(near)
    return (
        check("repeated texts", limits.repeated, same.values(), repeated, "repeat an earlier row"),
        check(
            "near-duplicates",
            limits.near_duplicates,
            near.values(),
            rows_in(near.values()),
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


def group_sizes(groups: npt.NDArray[Any]) -> dict[int, int]:
    """How many groups of near-duplicates there are of each size above one, by size."""
    sizes = Counter(Counter(groups.tolist()).values())
    return {size: sizes[size] for size in sorted(sizes) if size > 1}


def _gathered(keys: Iterable[Hashable], least: int = 2) -> dict[Hashable, list[int]]:
    """The rows of each key that at least so many have."""
    rows_of: dict[Hashable, list[int]] = defaultdict(list)
    for row, key in enumerate(keys):
        rows_of[key].append(row)
    return {key: rows for key, rows in rows_of.items() if len(rows) >= least}


def _varied(rows: list[int], labels: Sequence[tuple[str, ...]]) -> list[int]:
    first = {labels[row]: row for row in reversed(rows)}
    return [*sorted(first.values()), *(row for row in rows if row not in set(first.values()))]
