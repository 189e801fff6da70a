"""The quality report as a self-contained HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from itertools import groupby

from goalkit.datasets.quality.figures import Combination, LabelFigures, Lengths
from goalkit.extras import extra

_PLOT_HEIGHT = 100


def render(report: object, labels: Sequence[LabelFigures], combinations: Sequence[Combination], lengths: Lengths) -> str:
    """Render the page of a `QualityReport` with these figures. Texts are escaped; equal reports give equal pages."""
    with extra("data"):
        from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = resources.files("goalkit.resources").joinpath("quality.html").read_text(encoding="utf-8")
    return environment.from_string(template).render(
        report=report,
        tasks=[(task, list(labels)) for task, labels in groupby(labels, key=lambda each: each.task)],
        most_combined=max((each.rows for each in combinations), default=1) or 1,
        bars=_bars(lengths),
        plot_height=_PLOT_HEIGHT,
    )


def _bars(lengths: Lengths) -> list[tuple[int, float, str]]:
    """Return the bars of the length histogram: position, height up to `_PLOT_HEIGHT`, and tooltip."""
    bars = []
    for place, rows in enumerate(lengths.bins):
        first, last = place * lengths.width, (place + 1) * lengths.width - 1
        # the last bin includes all longer texts
        span = f"{first} or more" if last < lengths.maximum and place == len(lengths.bins) - 1 else f"{first} to {last}"
        bars.append((place, round(_PLOT_HEIGHT * rows / max(lengths.bins), 2), f"{span} characters: {rows:,} rows"))
    return bars
