"""The figure of the study: what each user gains, and what everybody else loses."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

SHOWN = {
    "head update with replay": "#2a6fdb",
    "head update": "#9bb8e8",
    "nearest neighbours with replay": "#d9822b",
}


def gains(found: dict[str, Any], strategy: str, measure: str) -> list[float]:
    """For each user the difference that a strategy makes, in points, as the mean over seeds."""
    shipped = found["strategies"]["no update"]
    return [
        100 * (statistics.mean(each[measure]) - statistics.mean(before[measure]))
        for each, before in zip(found["strategies"][strategy], shipped, strict=True)
    ]


def draw(found: dict[str, Any], path: Path) -> None:
    """Write the figure as an SVG that is the same for the same results."""
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    mpl.use("svg")
    order = sorted(range(len(found["users"])), key=gains(found, "head update with replay", "following").__getitem__)
    with mpl.rc_context({"svg.hashsalt": "goalkit", "font.size": 9, "font.family": "DejaVu Sans"}):
        figure, axes = plt.subplots(1, 2, figsize=(9, 6), sharey=True, layout="constrained")
        for axis, measure, title in (
            (axes[0], "following", "the user's next 200 goals"),
            (axes[1], "others_outside", "everybody else's goals"),
        ):
            for name, colour in SHOWN.items():
                points = gains(found, name, measure)
                axis.scatter([points[user] for user in order], range(len(order)), s=18, color=colour, label=name)
            axis.axvline(0, color="#888888", linewidth=0.8)
            axis.set_title(title, fontsize=10)
            axis.set_xlabel("points of accuracy beside the head as shipped")
            axis.grid(axis="x", color="#dddddd", linewidth=0.6)
            axis.spines[["top", "right"]].set_visible(False)
        axes[0].set_yticks(range(len(order)), [found["users"][user] for user in order])
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)
