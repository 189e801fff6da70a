"""Figures that the quality report shows."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class LabelFigures:
    """Figures of one label. Likely errors and F1 are of the rows that models learned from; None if not measured."""

    task: str
    label: str
    rows: int
    learned_from: int = 0
    likely_errors: int | None = None
    f1: float | None = None


@attrs.frozen
class Combination:
    """A combination of labels, one per task, and its number of rows."""

    labels: tuple[str, ...]
    rows: int


@attrs.frozen(kw_only=True)
class Lengths:
    """Characters per text, without surrounding space. `bins` is a histogram from 0 with bins of `width`, the last one open."""

    minimum: int
    median: int
    percentile_95: int
    maximum: int
    width: int
    bins: tuple[int, ...]
