"""Write what GoalKit's tests compare with: a bundle, and the results of Python's tokenizer, hints, heads, gate and feedback.

    python ios-sample/tools/fixtures.py build/goalkit-fixtures

The model is the pre-trained tiny-bert with random heads: the tests compare two implementations, not answers.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fixtures_feedback
import fixtures_heads
import fixtures_texts
import torch

from goalkit import Compressor, CoreMLExporter, Dataset, GoalModel, UpdatableHeadBuilder
from goalkit.export import Bundle
from goalkit.export.replay import Replay
from goalkit.tasks import GOAL_TASKS

SPREAD = 1.2
"""Standard deviation of the random heads' weights, so that they decide: the tests of hints need sure and unsure answers."""

FILES: dict[str, Callable[[Bundle], Any]] = {
    "tokenizer.json": fixtures_texts.tokenizers,
    "hints.json": fixtures_texts.hints,
    "heads.json": fixtures_heads.heads,
    "gate.json": fixtures_heads.gates,
    "evidence.json": fixtures_heads.evidence,
    "feedback.json": fixtures_feedback.feedback,
}


def main() -> None:
    """Write the bundle and the files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="is replaced")
    folder = parser.parse_args().folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    torch.set_num_threads(1)
    bundle = _bundle(folder / "GoalAnalyzer")
    for name, make in FILES.items():
        (folder / name).write_text(json.dumps(make(bundle), ensure_ascii=False), encoding="utf-8")


def _bundle(path: Path) -> Bundle:
    goals = Dataset.goals()
    model = GoalModel.from_backbone("tiny-bert", tasks=GOAL_TASKS)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for head in model.heads.values():
            head.weight.normal_(std=SPREAD, generator=generator)
            head.bias.zero_()
    small = Compressor.from_recipe("int8").compress(model).model
    heads = [
        UpdatableHeadBuilder(task="category", spare_slots=2).build(small),
        UpdatableHeadBuilder(task="difficulty", hidden_size=12, optimizer="adam", epochs=5).build(small),
    ]
    replay = Replay.choose(goals.texts, goals.labels, per_label=4)
    exporter = CoreMLExporter(sequence_length=48, deployment_target="iOS17")
    return exporter.export(small, path, heads=heads, replay=replay)


if __name__ == "__main__":
    main()
