"""Checks that the bottleneck that the profiler names is one: removes it, and measures the time saved."""

import statistics
from pathlib import Path
from typing import Any

from torch import Tensor

from goalkit import Dataset, GoalModel
from goalkit.evaluation import profile

BACKBONES, TEXTS, LENGTH, RUNS = ("tiny-bert", "bert-base-chinese"), (1, 32), 64, 5


def measure(data: Path | None) -> dict[str, Any]:
    """For each backbone and batch, measure the bottleneck's share according to the profiler, and the time saved without it."""
    goals = Dataset.goals()
    cases = []
    for backbone in BACKBONES:
        for count in TEXTS:
            whole = GoalModel.from_backbone(backbone, tasks=goals.tasks, weights="random")
            reduced = whole.copy()
            named = [profile(whole, goals.texts[:count], length=LENGTH)]
            _remove(reduced, named[0].kinds[0].name)
            saved = []
            for _ in range(RUNS):
                named.append(profile(whole, goals.texts[:count], length=LENGTH))
                left = profile(reduced, goals.texts[:count], length=LENGTH)
                saved.append(1 - left.milliseconds / named[-1].milliseconds)
            cases.append(
                {
                    "backbone": backbone,
                    "texts": count,
                    "milliseconds": statistics.median(each.milliseconds for each in named),
                    "bottleneck": named[0].bottleneck,
                    "predicted": statistics.median(
                        share.share for each in named for share in each.kinds if share.name == named[0].kinds[0].name
                    ),
                    "saved": statistics.median(saved),
                }
            )
    return {"cases": cases}


def _remove(model: GoalModel, kind: str) -> None:
    """Replace this kind of layer by the identity."""
    for layer in model.encoder.model.encoder.layer:  # type: ignore[union-attr]
        if kind == "feed-forward":
            layer.feed_forward_chunk = _identity
        else:
            assert kind == "attention"
            layer.attention.forward = lambda states, *_, **__: (states, None)


def _identity(states: Tensor) -> Tensor:
    return states


def page(found: dict[str, Any], where: str) -> str:
    """Return the section of docs/benchmarks.md."""
    lines = [
        f"| {each['backbone']} | {each['texts']} | {each['milliseconds']:.1f} ms | {each['bottleneck']} | "
        f"{each['predicted']:.0%} | {each['saved']:.0%} |"
        for each in found["cases"]
    ]
    return "\n".join(
        [
            "## The profiler's bottleneck",
            "",
            f"Full-size models with random weights, goals padded to {LENGTH} tokens. The kind of layer that `goalkit profile` "
            f"names is removed, and the time saved is measured without the profiler; medians of {RUNS} repetitions.",
            "",
            "| model | texts | time per batch | bottleneck | its share according to the profiler | time saved without it |",
            "|---|---|---|---|---|---|",
            *lines,
            "",
            where,
            "",
        ]
    )
