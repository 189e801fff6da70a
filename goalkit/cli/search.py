"""`goalkit search`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from goalkit.cli.options import ColumnOptions, data_options, load_splits, model_options, read_trainer, trainer_options
from goalkit.cli.paths import Writes

STUDY = Path("build", "search.journal")
SETTINGS = Path("build", "trainer.json")


@click.command(
    "search",
    epilog="""\b
Examples:
  goalkit search --trials 20
  goalkit train --settings build/trainer.json
  goalkit search --backbone bert-base-chinese --checkpoint ./bert-base-chinese --range narrow --epochs 3
  goalkit search --study postgresql://host/searches      (from several machines at once)""",
)
@data_options
@model_options
@trainer_options
@click.option("--trials", type=click.IntRange(1), default=20, show_default=True, help="Number of trials over all processes.")
@click.option(
    "--study",
    type=Writes(path_type=str),
    default=str(STUDY),
    show_default=True,
    help="Journal file or database URL, new or of an earlier search.",
)
@click.option(
    "--range",
    "width",
    type=click.Choice(["wide", "narrow"]),
    default="wide",
    show_default=True,
    help="Learning rates for small models with random weights, or for pre-trained ones.",
)
@click.option("--output", type=Writes(), default=SETTINGS, show_default=True, help="File for the best settings.")
def command(
    data: Path | None,
    columns: ColumnOptions,
    rejects: Path | None,
    seed: int,
    backbone: str,
    checkpoint: str | None,
    own_vocabulary: bool,
    settings: Path | None,
    trials: int,
    study: str,
    width: str,
    output: Path,
    **options: Any,
) -> None:
    """Search for learning rate, batch size, dropout, optimizer and warm-up, scored on the validation texts.

    Several processes may share a study. An interrupted search is resumed.
    """
    from goalkit.cli.reports import show_search
    from goalkit.cli.tables import console
    from goalkit.configuration import json_bytes, to_dict
    from goalkit.model import GoalModel
    from goalkit.storage import write_file
    from goalkit.training import Search

    splits = load_splits(data, columns, rejects, seed)
    texts = splits.train.texts if own_vocabulary else None
    model = GoalModel.from_backbone(backbone, tasks=splits.train.tasks, vocabulary_from=texts, checkpoint=checkpoint, seed=seed)
    search = (Search.wide if width == "wide" else Search)(trials=trials, seed=seed)
    found = search.run(model, splits, study=study, trainer=read_trainer(settings, seed, options))
    write_file(output, json_bytes(to_dict(found.trainer)))
    show_search(found)
    console.print(f"settings: {output}\nnext:     goalkit train --settings {output}")
