"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from goalkit.datasets import Dataset, Splits
    from goalkit.tasks import Task
    from goalkit.training import Trainer

MODEL = Path("build", "model")
BUNDLE = Path("build", "GoalAnalyzer")

SEED = click.IntRange(0, 2**32 - 1)

COLUMN_OPTIONS = (
    click.option("--text", default="text", show_default=True, help="Column of texts."),
    click.option(
        "--label", "labels", multiple=True, help="Column of labels; repeat it for several tasks.  [default: the goal tasks]"
    ),
    click.option("--encoding", default="auto", show_default=True, help="Encoding of the file, such as utf-8, gb18030, big5."),
    click.option("--rejects", type=click.Path(path_type=Path), help="File for bad rows; without it, a bad row is an error."),
)
DATA_OPTIONS = (
    click.option(
        "--data",
        type=click.Path(path_type=Path),
        help="CSV, TSV, JSON lines or Parquet file; without it, the shipped goals.",
    ),
    *COLUMN_OPTIONS,
    click.option("--seed", type=SEED, default=0, show_default=True, help="Of the split, and of all that is random."),
)


MODEL_OPTIONS = (
    click.option("--backbone", default="tiny-bert", show_default=True, help="See `goalkit backbones`."),
    click.option("--checkpoint", help="Folder or hub name of pre-trained weights."),
    click.option("--own-vocabulary", is_flag=True, help="Build the vocabulary from the training texts."),
)
TRAINER_OPTIONS = (
    click.option(
        "--settings",
        type=click.Path(path_type=Path),
        help="JSON file with a Trainer's settings, as `goalkit search` writes.",
    ),
    click.option("--epochs", type=click.IntRange(1), help="The most passes over the training rows.  [default: 10]"),
    click.option("--learning-rate", type=float, help="2e-5 to 1e-4 suits pre-trained weights.  [default: 5e-4]"),
    click.option("--batch-size", type=click.IntRange(1), help="Rows a batch.  [default: 16]"),
    click.option("--optimizer", type=click.Choice(["adamw", "sgd"])),
    click.option("--schedule", type=click.Choice(["linear", "cosine", "constant"])),
    click.option("--dropout", type=click.FloatRange(0, 0.9)),
    click.option("--class-weights", type=click.Choice(["none", "balanced"])),
    click.option("--metric", type=click.Choice(["macro_f1", "accuracy", "loss"]), help="By which epochs are compared."),
)


def model_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say what model to start from."""
    return _with_options(function, MODEL_OPTIONS)


def trainer_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how to train; `read_trainer` takes them."""
    return _with_options(function, TRAINER_OPTIONS)


def read_trainer(settings: Path | None, seed: int, options: Mapping[str, Any]) -> Trainer:
    """The Trainer of a settings file, or one that suits small models, changed by the options that were given."""
    import attrs

    from goalkit.configuration import from_dict, read_json
    from goalkit.errors import ConfigurationError
    from goalkit.training import Trainer

    trainer = Trainer(epochs=10, learning_rate=5e-4)
    if settings is not None:
        found = read_json(settings, error=ConfigurationError)
        if not isinstance(found, dict):
            raise ConfigurationError(f'{settings} holds no settings: give a JSON object such as {{"epochs": 5}}')
        trainer = from_dict(Trainer, found.get("trainer", found), source=str(settings))
    return attrs.evolve(trainer, seed=seed, **{name: value for name, value in options.items() if value is not None})


def data_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that name labelled texts and how they are split."""
    return _with_options(function, DATA_OPTIONS)


def column_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say what is where in a file of labelled texts."""
    return _with_options(function, COLUMN_OPTIONS)


def _with_options(function: Callable[..., Any], options: Sequence[Callable[..., Any]]) -> Callable[..., Any]:
    for option in reversed(options):
        function = option(function)
    return function


def load_rows(data: Path | None, text: str, labels: Sequence[str | Task], encoding: str, rejects: Path | None) -> Dataset:
    """Read the texts that `data_options` name, as they are."""
    from goalkit.datasets import Dataset
    from goalkit.tasks import GOAL_TASKS

    labels = labels or [task.name for task in GOAL_TASKS]
    names = [label if isinstance(label, str) else label.name for label in labels]
    if data is None and (text != "text" or encoding != "auto" or not set(names) <= {task.name for task in GOAL_TASKS}):
        raise click.UsageError(f"the shipped goals have no columns {text}, {', '.join(names)}: name your own file with --data")
    if data is None and rejects is not None:
        raise click.UsageError("the shipped goals have no bad rows: name your own file with --data, or leave out --rejects")
    if data is None:
        return Dataset.goals(labels)
    return Dataset.read(data, text=text, labels=labels, encoding=encoding, rejects=rejects)


def load_splits(
    data: Path | None, text: str, labels: tuple[str, ...], encoding: str, rejects: Path | None, seed: int
) -> Splits:
    """Read, clean and split the texts that `data_options` name; 70/15/15."""
    return load_rows(data, text, labels, encoding, rejects).clean().split(seed=seed)


def load_scored(
    data: Path | None,
    text: str,
    labels: tuple[str, ...],
    encoding: str,
    rejects: Path | None,
    *,
    tasks: Sequence[Task],
    seed: int | None,
) -> Dataset:
    """Read and clean the texts that `data_options` name, to score a model with these tasks: the test part, or all without seed.

    They are labelled for the tasks that are named, or else for those of the model that the file has. The split takes all that
    it has in either case, for that of the training did.
    """
    from goalkit.cli.tables import console
    from goalkit.errors import MissingColumnError

    names = [task.name for task in tasks]
    if unknown := [name for name in labels if name not in names]:
        raise click.UsageError(
            f"the model has no task {', '.join(unknown)}, its tasks are {', '.join(names)}: name these, or leave out --label"
        )
    named = [task for task in tasks if task.name in labels]
    asked = named if named and seed is None else list(tasks)
    try:
        rows = load_rows(data, text, asked, encoding, rejects)
    except MissingColumnError as fault:
        found = [task for task in asked if task.name not in fault.columns]
        if not found or {text, *labels} & set(fault.columns):
            raise
        rows = load_rows(data, text, found, encoding, rejects)
        if seed is not None:
            console.print(
                f"  note: without labels for {', '.join(fault.columns)} the texts are split otherwise than they were for "
                "training, so the model may have learnt from some of these",
                style="dim",
            )
    rows = rows.clean() if seed is None else rows.clean().split(seed=seed).test
    return rows.with_tasks(named) if named else rows
