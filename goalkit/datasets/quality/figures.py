"""What the quality report counts and draws."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class LabelFigures:
    """One label: its rows, and of the rows that were learned from the likely errors and the F1 score (None: not measured)."""

    task: str
    label: str
    rows: int
    learned_from: int = 0
    likely_errors: int | None = None
    f1: float | None = None


@attrs.frozen
class Combination:
    """Labels of all tasks at once, and how many rows have them."""

    labels: tuple[str, ...]
    rows: int


@attrs.frozen(kw_only=True)
class Lengths:
    """Characters a text, without surrounding space: bins of `width` from 0 on, the last open, and what is in them."""

    minimum: int
    median: int
    percentile_95: int
    maximum: int
    width: int
    bins: tuple[int, ...]
