"""Renders the study for the docs: tables, the figure, and estimates for a phone."""

from __future__ import annotations

import io
import statistics
from typing import Any

FIGURE = "personalisation.svg"
SHOWN = {
    "head update, no replay": "#9bb8e8",
    "head update, held-out replay": "#d9822b",
    "gated head update, held-out replay": "#2a6fdb",
}


def page(found: dict[str, Any], where: str) -> str:
    """Return the section of docs/benchmarks.md."""
    shown = next(iter(found["bases"]))
    trained, _, drawn = found["rows"]
    protocol = found["protocol"]
    return "\n".join(
        [
            "## Learning on the phone",
            "",
            f"{len(found['users'])} simulated users, fixed in `benchmarks/personalisation/habits.py` before any head was "
            "tuned: each files one topic under another category than the guide does, and uses words of its own. Each "
            f"corrects {protocol['corrected']} goals, and {protocol['following']} more follow. The setting of each strategy "
            f"was chosen on {found['development_users']} other users: the one that helps most while everybody else loses less "
            f"than {100 * protocol['forgetting']:g} points. The goals are written by a language model and the users are "
            "rules, so no person's learning was measured. Embeddings come from saved INT8 packages, and updates are rehearsed "
            f"with the saved heads and {protocol['seeds']} seeds of shuffling. Base models were trained on {trained:,} goals; "
            f"the users' goals are drawn from {drawn:,} others. Gated means that the updated head answers near corrections and "
            "the shipped one elsewhere ([updatable.md](updatable.md#limiting-the-reach-of-an-update)). "
            "Differences are in points of accuracy.",
            "",
            "Target: the median user gains five points or more, and everybody else loses less than one point.",
            "",
            *(line for name, base in found["bases"].items() for line in [*_base(name, base), ""]),
            "The last column of the tables of strategies includes those goals of others that the user would file under another "
            "category: on these the updated head disagrees with the guide, as intended. In the tables of new categories a "
            f"spare slot is trained on {protocol['new_examples']} examples (mean of {protocol['draws']} draws), with settings "
            "chosen on other categories.",
            "",
            f"Gains of each user, and losses of everybody else, with {shown}:",
            "",
            f"![Gains of each user, and losses of everybody else]({FIGURE})",
            "",
            where,
            "",
        ]
    )


def _base(name: str, base: dict[str, Any]) -> list[str]:
    return [
        f"### {name}",
        "",
        f"Accuracy of the base model is {base['base_accuracy']:.1%} on goals as the guide files them. Replay mixes in "
        f"{base['replayed']['trained']} base examples from the training part, or {base['replayed']['held-out']} from the "
        "validation part.",
        "",
        *_strategies(base),
        "",
        f"Strategies that reach the target: {'; '.join(_reached(base)) or 'none'}. The standard deviation of a user's gain "
        f"over orders of shuffling is at most {_deviation(base):.1f} points.",
        "",
        "| new category | strategy | recall | precision | everybody else's accuracy before | after |",
        "|---|---|---|---|---|---|",
        *(
            f"| {category} | {strategy} | " + " | ".join(f"{statistics.mean(values):.1%}" for values in scores.values()) + " |"
            for strategy, categories in base["new_categories"].items()
            for category, scores in categories.items()
        ),
        "",
        f"Settings: {_settings(base['chosen'])}."
        + (f" For new categories: {_settings(taught)}." if (taught := base.get("chosen_for_new_categories")) else ""),
        "",
        *_cost(base["cost"]),
    ]


def _settings(chosen: dict[str, dict[str, Any]]) -> str:
    return "; ".join(f"{strategy} {setting}" for strategy, setting in chosen.items() if setting)


def _strategies(base: dict[str, Any]) -> list[str]:
    lines = [
        "| strategy | next 200 goals: median user | worst user | everybody else: median | worst | all their goals: median |",
        "|---|---|---|---|---|---|",
    ]
    for name, scores in base["strategies"].items():
        if name == "no update":
            own, others, everything = ([each[kind][0] for each in scores] for kind in ("following", "others_outside", "others"))
            figures = [f"{share:.1%}" for share in _summary(own, others, everything)]
        else:
            own, others, everything = (gains(base, name, kind) for kind in ("following", "others_outside", "others"))
            figures = [f"{points:+.1f}" for points in _summary(own, others, everything)]
        lines.append(f"| {name} | " + " | ".join(figures) + " |")
    return lines


def _reached(base: dict[str, Any]) -> list[str]:
    return [
        name
        for name in base["strategies"]
        if statistics.median(gains(base, name, "following")) >= 5
        and statistics.median(gains(base, name, "others_outside")) > -1
    ]


def _deviation(base: dict[str, Any]) -> float:
    return max(100 * each["following"][1] for scores in base["strategies"].values() for each in scores)


def _summary(own: list[float], others: list[float], everything: list[float]) -> list[float]:
    return [statistics.median(own), min(own), statistics.median(others), min(others), statistics.median(everything)]


def _cost(cost: dict[str, float]) -> list[str]:
    steps = 10 * -(-100 // 8)
    training, embedding = 6 * 100 * 10 * cost["head_parameters"], 2 * 100 * cost["encoder_parameters"] * cost["tokens"]
    memory = 4 * 4 * cost["head_parameters"] + 100 * cost["embedding_bytes"] + cost["package_bytes"]
    return [
        f"100 embeddings x 10 epochs take {1000 * cost['seconds']:.0f} ms here. For a phone, **estimated** and not measured: "
        f"training is {training / 1e6:.0f} MFLOP (6 per weight, example and epoch) in {steps} steps, "
        f"{training / 1e9 + steps / 1000:.2f} s at 1 GFLOP/s and 1 ms per step; embedding the 100 texts before is "
        f"{embedding / 1e9:.0f} GFLOP (2 per weight and token), {embedding / 5e10:.1f} s at 50 GFLOP/s; the budget is 5 s. "
        f"Memory is {memory / 1e6:.0f} MB: weights, gradients, momentum and updated copy of the head, the embeddings, and the "
        "whole package, assuming that none of it is memory-mapped; the budget is 50 MB.",
    ]


def gains(base: dict[str, Any], strategy: str, kind: str) -> list[float]:
    """Return the gain of a strategy for each user, in points; results hold mean and deviation over seeds."""
    shipped = base["strategies"]["no update"]
    return [100 * (each[kind][0] - before[kind][0]) for each, before in zip(base["strategies"][strategy], shipped, strict=True)]


def figure(found: dict[str, Any]) -> str:
    """Return the figure as an SVG; the same results and the same matplotlib give the same SVG."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    users, base = found["users"], next(iter(found["bases"].values()))
    first = gains(base, next(iter(SHOWN)), "following")
    order = sorted(range(len(users)), key=first.__getitem__)
    with mpl.rc_context({"svg.hashsalt": "goalkit", "font.size": 9}):
        drawn = Figure(figsize=(9, 6), layout="constrained")
        axes = drawn.subplots(1, 2, sharey=True)
        titles = {"following": "the user's next 200 goals", "others_outside": "everybody else's goals"}
        for axis, (kind, title) in zip(axes, titles.items(), strict=True):
            for name, colour in SHOWN.items():
                points = gains(base, name, kind)
                axis.scatter([points[user] for user in order], range(len(order)), s=18, color=colour, label=name)
            axis.axvline(0, color="#888888", linewidth=0.8)
            axis.set_title(title, fontsize=10)
            axis.set_xlabel("points of accuracy compared with the shipped head")
            axis.grid(axis="x", color="#dddddd", linewidth=0.6)
            axis.spines[["top", "right"]].set_visible(False)
        axes[0].set_yticks(range(len(order)), [users[user] for user in order])
        drawn.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
        svg = io.StringIO()
        drawn.savefig(svg, format="svg", metadata={"Date": None})
    return svg.getvalue()
