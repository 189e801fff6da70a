"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from goalkit.datasets import Dataset, Splits

MODEL = Path("build", "model")
BUNDLE = Path("build", "GoalAnalyzer")

SEED = click.IntRange(0, 2**32 - 1)

DATA_OPTIONS = (
    click.option(
        "--data", type=click.Path(path_type=Path), help="CSV file with a header; without it, the shipped hand-written goals."
    ),
    click.option("--text", default="text", show_default=True, help="Column of texts."),
    click.option(
        "--label", "labels", multiple=True, help="Column of labels; repeat it for several tasks.  [default: the goal tasks]"
    ),
    click.option("--encoding", default="utf-8", show_default=True, help="Encoding of the file."),
    click.option("--seed", type=SEED, default=0, show_default=True, help="Of the split, and of all that is random."),
)


def data_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that name labelled texts and how they are split."""
    for option in reversed(DATA_OPTIONS):
        function = option(function)
    return function


def load_rows(data: Path | None, text: str, labels: tuple[str, ...], encoding: str) -> Dataset:
    """Read the texts that `data_options` name, as they are."""
    from goalkit.datasets import Dataset
    from goalkit.tasks import GOAL_TASKS

    names = list(labels or [task.name for task in GOAL_TASKS])
    if data is None and (text != "text" or encoding != "utf-8" or not set(names) <= {task.name for task in GOAL_TASKS}):
        raise click.UsageError(f"the shipped goals have no columns {text}, {', '.join(names)}: name your own file with --data")
    return Dataset.goals(names) if data is None else Dataset.from_csv(data, text=text, labels=names, encoding=encoding)


def load_splits(data: Path | None, text: str, labels: tuple[str, ...], encoding: str, seed: int) -> Splits:
    """Read, clean and split the texts that `data_options` name; 70/15/15."""
    return load_rows(data, text, labels, encoding).clean().split(seed=seed)
