"""Write the two bundles that the app ships, from goalkit's pre-trained weights: `Compact` and `Full`, both for iOS 17.

    python ios-sample/tools/bundles.py ios-sample/Bundles

`Full` has half-precision weights. `Compact` has the smallest form of weights that loses at most half a point of accuracy on the
validation goals, for each task.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from goalkit import Compressor, CoreMLExporter, Dataset, GoalModel, Splits, UpdatableHeadBuilder
from goalkit.compress import Palettisation, Quantisation
from goalkit.evaluation import evaluate
from goalkit.export.replay import Replay
from goalkit.tasks import GOAL_TASKS

TECHNIQUES = (Palettisation(bits=4, input_aware=True), Quantisation(input_aware=True))
"""Their forms of weights are read by iOS 16 too, the smallest first."""

ALLOWED = 0.005
"""The accuracy that a task may lose."""


def main() -> None:
    """Write both bundles."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="gets the two folders")
    folder = parser.parse_args().folder
    torch.set_num_threads(1)
    splits = Dataset.goals().clean().split(seed=0)  # the weights have seen the training part only
    model = GoalModel.from_backbone("tiny-bert", tasks=GOAL_TASKS)
    replay = Replay.choose(splits.train.texts, splits.train.labels, per_label=20)
    _export(model, folder / "Full", replay)
    _export(_compact(model, splits), folder / "Compact", replay)


def _compact(model: GoalModel, splits: Splits) -> GoalModel:
    before = [scores.accuracy for scores in evaluate(model, splits.validation)]
    for technique in TECHNIQUES:
        small = Compressor([technique]).compress(model, splits).model
        after = [scores.accuracy for scores in evaluate(small, splits.validation)]
        if all(new >= old - ALLOWED for old, new in zip(before, after, strict=True)):
            return small
    raise SystemExit(
        f"each of {', '.join(map(str, TECHNIQUES))} loses more than {100 * ALLOWED} points on the validation goals"
    )


def _export(model: GoalModel, path: Path, replay: Replay) -> None:
    heads = [UpdatableHeadBuilder(task=task.name, learning_rate=0.001).build(model) for task in model.tasks]
    CoreMLExporter(deployment_target="iOS17").export(model, path, heads=heads, replay=replay)


if __name__ == "__main__":
    main()
