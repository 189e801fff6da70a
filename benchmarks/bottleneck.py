"""Whether the bottleneck that the profiler names is one: it is taken out, and the clock says what that saved."""

import statistics
from pathlib import Path
from typing import Any

from torch import Tensor

from goalkit import Dataset, GoalModel
from goalkit.evaluation import profile

BACKBONES, TEXTS, LENGTH, RUNS = ("tiny-bert", "bert-base-chinese"), (1, 32), 64, 5


def measure(data: Path | None) -> dict[str, Any]:
    """For each backbone and batch: the share that the profiler gives the bottleneck, and the share that is saved without it."""
    goals = Dataset.goals()
    cases = []
    for backbone in BACKBONES:
        for count in TEXTS:
            whole = GoalModel.from_backbone(backbone, tasks=goals.tasks)
            lacking = whole.copy()
            named = [profile(whole, goals.texts[:count], length=LENGTH)]
            _take_out(lacking, named[0].kinds[0].name)
            saved = []
            for _ in range(RUNS):
                named.append(profile(whole, goals.texts[:count], length=LENGTH))
                left = profile(lacking, goals.texts[:count], length=LENGTH)
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


def _take_out(model: GoalModel, kind: str) -> None:
    """Let this kind of layer pass on what it gets."""
    for layer in model.encoder.model.encoder.layer:  # type: ignore[union-attr]
        if kind == "feed-forward":
            layer.feed_forward_chunk = _passed
        else:
            assert kind == "attention"
            layer.attention.forward = lambda states, *_, **__: (states, None)


def _passed(states: Tensor) -> Tensor:
    return states


def page(found: dict[str, Any], where: str) -> str:
    """The section of docs/benchmarks.md."""
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
            f"names is taken out, and the clock says, without the profiler, what that saves; medians of {RUNS} turns.",
            "",
            "| model | texts | a batch | named | its share by the profiler | saved without it |",
            "|---|---|---|---|---|---|",
            *lines,
            "",
            where,
            "",
        ]
    )
