"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from goalkit.datasets import Dataset, Splits

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
        help="CSV, TSV, JSON lines or Parquet file; without it, the shipped hand-written goals.",
    ),
    *COLUMN_OPTIONS,
    click.option("--seed", type=SEED, default=0, show_default=True, help="Of the split, and of all that is random."),
)


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


def load_rows(data: Path | None, text: str, labels: tuple[str, ...], encoding: str, rejects: Path | None) -> Dataset:
    """Read the texts that `data_options` name, as they are."""
    from goalkit.datasets import Dataset
    from goalkit.tasks import GOAL_TASKS

    names = list(labels or [task.name for task in GOAL_TASKS])
    if data is None and (text != "text" or encoding != "auto" or not set(names) <= {task.name for task in GOAL_TASKS}):
        raise click.UsageError(f"the shipped goals have no columns {text}, {', '.join(names)}: name your own file with --data")
    if data is None and rejects is not None:
        raise click.UsageError("the shipped goals have no bad rows: name your own file with --data, or leave out --rejects")
    if data is None:
        return Dataset.goals(names)
    return Dataset.read(data, text=text, labels=names, encoding=encoding, rejects=rejects)


def load_splits(
    data: Path | None, text: str, labels: tuple[str, ...], encoding: str, rejects: Path | None, seed: int
) -> Splits:
    """Read, clean and split the texts that `data_options` name; 70/15/15."""
    return load_rows(data, text, labels, encoding, rejects).clean().split(seed=seed)
