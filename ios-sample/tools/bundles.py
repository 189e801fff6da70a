"""Write the two bundles that the app ships, from goalkit's pre-trained weights: `Compact` and `Full`, both for iOS 17.

    python ios-sample/tools/bundles.py ios-sample/Bundles

`Full` has half-precision weights. `Compact` has the smallest form of weights that loses at most half a point of accuracy on the
validation goals, for each task.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from goalkit import Compressor, CoreMLExporter, Dataset, GoalModel, UpdatableHeadBuilder
from goalkit.evaluation import evaluate
from goalkit.export.replay import Replay
from goalkit.tasks import GOAL_TASKS

RECIPES = ("palette4", "int8")
"""Forms of weights that iOS 16 reads too, smallest first."""

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
    _export(_compact(model, splits.validation), folder / "Compact", replay)


def _compact(model: GoalModel, validation: Dataset) -> GoalModel:
    before = [scores.accuracy for scores in evaluate(model, validation)]
    for recipe in RECIPES:
        small = Compressor.from_recipe(recipe).compress(model).model
        after = [scores.accuracy for scores in evaluate(small, validation)]
        if all(new >= old - ALLOWED for old, new in zip(before, after, strict=True)):
            return small
    raise SystemExit(f"each of {', '.join(RECIPES)} loses more than {100 * ALLOWED} points on the validation goals")


def _export(model: GoalModel, path: Path, replay: Replay) -> None:
    heads = [UpdatableHeadBuilder(task=task.name, learning_rate=0.001).build(model) for task in model.tasks]
    CoreMLExporter(deployment_target="iOS17").export(model, path, heads=heads, replay=replay)


if __name__ == "__main__":
    main()
