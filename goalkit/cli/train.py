"""`goalkit train`."""

from __future__ import annotations

from pathlib import Path

import click

from goalkit.cli.options import MODEL, data_options, load_splits


@click.command(
    "train",
    epilog="""\b
Examples:
  goalkit train
  goalkit train --data goals.csv --label category --label difficulty
  goalkit train --data titles.csv --text title --label topic --epochs 5 --output build/topics
  goalkit train --backbone bert-base-chinese --checkpoint ./bert-base-chinese --learning-rate 2e-5""",
)
@data_options
@click.option("--backbone", default="tiny-bert", show_default=True, help="See `goalkit backbones`.")
@click.option("--checkpoint", help="Folder or hub name of pre-trained weights.")
@click.option("--own-vocabulary", is_flag=True, help="Build the vocabulary from the training texts.")
@click.option("--epochs", type=click.IntRange(1), default=10, show_default=True, help="The most passes over the training rows.")
@click.option("--learning-rate", default=5e-4, show_default=True, help="2e-5 to 1e-4 suits pre-trained weights.")
@click.option("--batch-size", type=click.IntRange(1), default=16, show_default=True)
@click.option("--output", type=click.Path(path_type=Path), default=MODEL, show_default=True, help="Folder for the model.")
def command(
    data: Path | None,
    text: str,
    labels: tuple[str, ...],
    encoding: str,
    rejects: Path | None,
    seed: int,
    backbone: str,
    checkpoint: str | None,
    own_vocabulary: bool,
    epochs: int,
    learning_rate: float,
    batch_size: int,
    output: Path,
) -> None:
    """Train a model on labelled texts, 70 % to learn from, 15 % to choose the epoch, 15 % to report on."""
    from goalkit.cli.reports import show_scores
    from goalkit.cli.tables import console
    from goalkit.model import GoalModel
    from goalkit.storage import MODEL as MODEL_FOLDER
    from goalkit.storage import check_replaceable
    from goalkit.training import Trainer, evaluate

    check_replaceable(output, MODEL_FOLDER)
    splits = load_splits(data, text, labels, encoding, rejects, seed)
    texts = splits.train.texts if own_vocabulary else None
    tasks = splits.train.tasks
    model = GoalModel.from_backbone(backbone, tasks=tasks, vocabulary_from=texts, checkpoint=checkpoint, seed=seed)
    trainer = Trainer(epochs=epochs, learning_rate=learning_rate, batch_size=batch_size, seed=seed)
    run = trainer.fit(model, splits)
    folder = run.save(output)
    show_scores(f"{len(splits.test)} test texts, epoch {run.best_epoch} of {len(run.epochs)}", evaluate(run.model, splits.test))
    console.print(f"model: {folder}\nnext:  goalkit export {folder}")
