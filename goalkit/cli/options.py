"""Options that several commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from goalkit.cli.paths import Reads, Writes

if TYPE_CHECKING:
    from goalkit.datasets import Dataset, Splits
    from goalkit.tasks import Task
    from goalkit.training import Trainer

MODEL_PATH = Path("build", "model")
BUNDLE_PATH = Path("build", "GoalAnalyzer")

SEED = click.IntRange(0, 2**32 - 1)


@attrs.frozen(kw_only=True)
class ColumnOptions:
    """The values of `COLUMN_OPTIONS`: arguments of `Dataset.read`."""

    text: str = "text"
    labels: Mapping[str, str | Task] = attrs.field(factory=dict)
    rename: dict[str, dict[str, str]] = attrs.field(factory=dict)
    merge_labels: bool = False
    encoding: str = "auto"
    sheet: str | None = None

    def of(self, labels: Mapping[str, str | Task]) -> ColumnOptions:
        """Return these options with other label columns, each with its task."""
        return attrs.evolve(self, labels=labels)

    def or_tasks(self, tasks: Sequence[Task]) -> ColumnOptions:
        """Return these options. If they name no label column, the label columns are those named like `tasks`."""
        return self if self.labels else self.of({task.name: task.name for task in tasks})

    @property
    def task_names(self) -> dict[str, str]:
        """The task name of each label column."""
        return {column: task if isinstance(task, str) else task.name for column, task in self.labels.items()}

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of `Dataset.read`. The default label columns are the goal tasks."""
        from goalkit.tasks import GOAL_TASKS

        return attrs.asdict(self.or_tasks(GOAL_TASKS), recurse=False)

    def read(self, data: Path, rejects: Path | None) -> Dataset:
        """Read the labelled texts of a file."""
        from goalkit.datasets import Dataset

        return Dataset.read(data, **self.arguments(), rejects=rejects)


def _read_labels(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    labels: dict[str, str] = {}
    for entry in given:
        column, equals, task = entry.rpartition("=")
        if (column or task) in labels or (equals and not (column and task)):
            raise click.BadParameter(f"{entry!r}: name each column once, as COLUMN or COLUMN=TASK")
        labels[column or task] = task
    return labels


def _read_rename(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, dict[str, str]]:
    rename: dict[str, dict[str, str]] = {}
    for entry in given:
        task, _, rest = entry.partition(":")
        value, equals, name = rest.partition("=")
        if not (task and equals and name):
            raise click.BadParameter(f"{entry!r}: give TASK:VALUE=NAME, such as completion:0=未开始")
        if rename.setdefault(task, {}).setdefault(value, name) != name:
            raise click.BadParameter(f"{entry!r}: {value!r} of {task} is already {rename[task][value]}; give it one name")
    return rename


COLUMN_OPTIONS = (
    click.option("--text", default="text", show_default=True, help="Column of texts."),
    click.option(
        "--label",
        "labels",
        metavar="COLUMN[=TASK]",
        multiple=True,
        callback=_read_labels,
        help="Column of labels, and the name of their task; repeat it for several tasks.  [default: the goal tasks]",
    ),
    click.option(
        "--rename",
        metavar="TASK:VALUE=NAME",
        multiple=True,
        callback=_read_rename,
        help="Name of a value of a task, such as completion:0=未开始; repeat it for every value.",
    ),
    click.option("--merge-labels", is_flag=True, help="Merge labels that differ only by case, width or spaces."),
    click.option("--encoding", default="auto", show_default=True, help="Encoding of the file, such as utf-8, gb18030, big5."),
    click.option("--sheet", help="Sheet of an Excel workbook.  [default: the first]"),
)
REJECTS_OPTION = click.option("--rejects", type=Writes(), help="File for bad rows; without it, a bad row is an error.")
DATA_OPTIONS = (
    click.option(
        "--data",
        type=Reads(),
        help="CSV, TSV, JSON lines, Parquet or Excel file.  [default: the shipped goals]",
    ),
    REJECTS_OPTION,
    click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of the split and of all other random choices."),
)


MODEL_OPTIONS = (
    click.option("--backbone", default="tiny-bert", show_default=True, help="See `goalkit backbones`."),
    click.option("--checkpoint", type=Reads(path_type=str), help="Folder or hub name of pre-trained weights."),
    click.option("--own-vocabulary", is_flag=True, help="Build the vocabulary from the training texts."),
)
TRAINER_OPTIONS = (
    click.option(
        "--settings",
        type=Reads(),
        help="JSON file with the settings of a Trainer, such as the output of `goalkit search`.",
    ),
    click.option("--epochs", type=click.IntRange(1), help="Maximum number of epochs.  [default: 4, more for few rows]"),
    click.option("--learning-rate", type=float, help="Peak; 2e-5 to 1e-4 suits larger encoders.  [default: 4e-4]"),
    click.option("--batch-size", type=click.IntRange(1), help="Rows per batch.  [default: 32]"),
    click.option("--optimizer", type=click.Choice(["adamw", "sgd"])),
    click.option("--schedule", type=click.Choice(["linear", "cosine", "constant"])),
    click.option("--dropout", type=click.FloatRange(0, 0.9)),
    click.option("--class-weights", type=click.Choice(["none", "balanced"])),
    click.option("--metric", type=click.Choice(["macro_f1", "accuracy", "loss"]), help="Metric that selects the best epoch."),
)


def model_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options for the initial model."""
    return _with_options(function, MODEL_OPTIONS)


def trainer_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options for training, which `read_trainer` evaluates."""
    return _with_options(function, TRAINER_OPTIONS)


def read_trainer(settings: Path | None, seed: int, options: Mapping[str, Any]) -> Trainer:
    """Return the Trainer of a settings file, or the default one, updated with the given options."""
    import attrs

    from goalkit.configuration import from_dict, read_json
    from goalkit.errors import ConfigurationError
    from goalkit.training import Trainer

    trainer = Trainer()
    if settings is not None:
        found = read_json(settings, error=ConfigurationError)
        if not isinstance(found, dict):
            raise ConfigurationError(f'{settings} has no settings: give a JSON object such as {{"epochs": 5}}')
        trainer = from_dict(Trainer, found.get("trainer", found), source=str(settings))
    return attrs.evolve(trainer, seed=seed, **{name: value for name, value in options.items() if value is not None})


def data_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options for labelled texts and their split. Column options are passed as one argument, `columns`."""
    return _with_options(_with_columns(function), DATA_OPTIONS)


def column_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options for the columns of a file, passed as one argument, `columns`, and `rejects`."""
    return _with_options(_with_columns(function), (REJECTS_OPTION,))


def _with_columns(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def command(**options: Any) -> Any:
        columns = ColumnOptions(**{field.name: options.pop(field.name) for field in attrs.fields(ColumnOptions)})
        return function(columns=columns, **options)

    return _with_options(command, COLUMN_OPTIONS)


def _with_options(function: Callable[..., Any], options: Sequence[Callable[..., Any]]) -> Callable[..., Any]:
    for option in reversed(options):
        function = option(function)
    return function


def load_rows(data: Path | None, columns: ColumnOptions, rejects: Path | None) -> Dataset:
    """Read the texts of `data_options` without cleaning them."""
    from goalkit.datasets import Dataset
    from goalkit.tasks import GOAL_TASKS

    if data is not None:
        return columns.read(data, rejects)
    asked = columns.or_tasks(GOAL_TASKS)
    shipped = {task.name: task.name for task in GOAL_TASKS}
    if (
        attrs.evolve(columns, labels={}, merge_labels=False) != ColumnOptions()
        or not asked.task_names.items() <= shipped.items()
    ):
        names = ", ".join([asked.text, *asked.labels])
        raise click.UsageError(
            f"the shipped goals have no columns {names} or cannot be read with these options: give your own file with --data"
        )
    if rejects is not None:
        raise click.UsageError("the shipped goals have no bad rows: give your own file with --data, or leave out --rejects")
    return Dataset.goals(list(asked.labels.values()))


def load_splits(data: Path | None, columns: ColumnOptions, rejects: Path | None, seed: int) -> Splits:
    """Read, clean and split the texts of `data_options`: 70/15/15."""
    return load_rows(data, columns, rejects).clean().split(seed=seed)


def _label_columns(columns: ColumnOptions, tasks: Sequence[Task]) -> tuple[dict[str, Task], list[Task]]:
    """Return the task of each column in which a model's labels are, and those of its tasks that options name.

    The columns are named like the tasks, unless options say otherwise.
    """
    names = [task.name for task in tasks]
    column_of = {task: column for column, task in columns.task_names.items()}
    if unknown := [name for name in column_of if name not in names]:
        raise click.UsageError(
            f"the model has no task {', '.join(unknown)}; its tasks are {', '.join(names)}: use these, or leave out --label"
        )
    return {column_of.get(task.name, task.name): task for task in tasks}, [task for task in tasks if task.name in column_of]


def load_model_splits(
    data: Path | None, columns: ColumnOptions, rejects: Path | None, *, tasks: Sequence[Task], seed: int
) -> Splits:
    """Read, clean and split texts labelled for a model's `tasks`, or for those of them that options name: 70/15/15."""
    wanted, named = _label_columns(columns, tasks)
    chosen = {column: task for column, task in wanted.items() if not named or task in named}
    return load_splits(data, columns.of(chosen), rejects, seed)


def load_scored(
    data: Path | None, columns: ColumnOptions, rejects: Path | None, *, tasks: Sequence[Task], seed: int | None
) -> Dataset:
    """Read and clean the texts on which to score a model: the test part of the split with `seed`, or all if it is None.

    The rows are labelled for the tasks named by options, or else for those of the model's `tasks` that the file has. The
    split uses all of the latter in either case, as in training.
    """
    from goalkit.cli.tables import console
    from goalkit.errors import MissingColumnError

    wanted, named = _label_columns(columns, tasks)
    if named and seed is None:
        wanted = {column: task for column, task in wanted.items() if task in named}
    try:
        rows = load_rows(data, columns.of(wanted), rejects)
    except MissingColumnError as error:
        found = {column: task for column, task in wanted.items() if column not in error.columns}
        if not found or {columns.text, *columns.labels} & set(error.columns):
            raise
        rows = load_rows(data, columns.of(found), rejects)
        if seed is not None:
            console.print(
                f"  note: without labels for {', '.join(error.columns)} the split differs from the one in training, "
                "so the model may have been trained on some of these texts",
                style="dim",
            )
    rows = rows.clean() if seed is None else rows.clean().split(seed=seed).test
    return rows.with_tasks(named) if named else rows


def read_lines(path: Path) -> list[str]:
    """Return the lines of a UTF-8 file that are not empty."""
    from goalkit.errors import DatasetError, reason_of

    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read ({reason_of(error)}): give a UTF-8 file with a text per line") from error
    return [line for line in lines if line.strip()]
