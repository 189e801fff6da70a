"""What the shape of the student, its start and the loss bring: short distillations, scored on the goals' validation part.

    python -m pretraining.ablation --data DIR

Each run learns from the first texts of the main run, whose embeddings it shares, and is fine-tuned on the goals' training part.
The scores are those of the best epoch on the validation part: they compare the runs, and are not what a user may expect.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from goalkit import Dataset, GoalModel, Trainer
from goalkit.configuration import json_bytes
from goalkit.storage import write_file
from goalkit.training import Distiller, cached_embeddings
from pretraining.e5 import E5, weights_file
from pretraining.student import LAYERS, WIDTHS, student
from pretraining.texts import training_texts

logger = logging.getLogger(__name__)

TEXTS = 15 * 4096
DISTILLER = Distiller(epochs=1, max_length=64)
TRAINER = Trainer(epochs=4, learning_rate=2e-4, patience=4)
RESULTS = Path(__file__).parent / "ablation.json"


@attrs.frozen
class Variant:
    """A student and how it is distilled."""

    layers: tuple[int, ...] | None = LAYERS
    widths: Mapping[str, int] = attrs.field(factory=WIDTHS.copy)
    distiller: Distiller = DISTILLER


VARIANTS = {
    "4 layers of 384, from the teacher's": Variant(),
    "4 layers of 384, random": Variant(layers=None),
    "3 layers of 384, from the teacher's": Variant(layers=(0, 5, 11)),
    "4 layers of 312, random": Variant(layers=None, widths={**WIDTHS, "hidden_size": 312, "intermediate_size": 1200}),
    "4 layers of 256, random": Variant(
        layers=None, widths={"hidden_size": 256, "num_attention_heads": 4, "intermediate_size": 1024}
    ),
    "4 layers of 384, from the teacher's, directions alone": Variant(distiller=attrs.evolve(DISTILLER, likeness=0.0)),
}


def main() -> None:
    """Run every variant that has no result yet."""
    parser = argparse.ArgumentParser(prog="python -m pretraining.ablation", description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with everyday/open.txt.gz and the benchmarks' sets")
    parser.add_argument("--output", type=Path, default=Path("build/pretraining"), help="folder of the main run")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    results: dict[str, Any] = json.loads(RESULTS.read_bytes()) if RESULTS.exists() else {}
    texts = training_texts(arguments.data)[:TEXTS]
    teacher = E5(weights_file())
    cached_embeddings(teacher, texts, arguments.output / "teacher")
    for number, (name, variant) in enumerate(VARIANTS.items()):
        if name not in results:
            folder = arguments.output / f"ablation-{number}"
            folder.mkdir(parents=True, exist_ok=True)
            if not (folder / "teacher").exists():
                (folder / "teacher").symlink_to((arguments.output / "teacher").resolve())
            start = time.perf_counter()
            run = variant.distiller.fit(
                student(variant.layers, variant.widths), texts, teacher, folder=folder, resume=True, checkpoint_steps=200
            )
            seconds = round(time.perf_counter() - start)
            results[name] = {"seconds": seconds, "loss": run.epochs[-1].loss, **_fine_tuned(run.model)}
            write_file(RESULTS, json_bytes(results))
        logger.info("%s: %s", name, results[name])


def _fine_tuned(model: GoalModel) -> dict[str, Any]:
    run = TRAINER.fit(model, Dataset.goals().clean().split(seed=0))
    best = run.epochs[run.best_epoch - 1]
    return {"parameters": sum(each.numel() for each in model.parameters()), **{s.task: s.accuracy for s in best.validation}}


if __name__ == "__main__":
    main()
