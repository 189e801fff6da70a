"""Dataset: texts with one label per task, and the provenance of each row."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from goalkit.datasets.reading import (
    AUTO,
    Columns,
    Labels,
    Renaming,
    Source,
    csv_source,
    gather,
    hub_source,
    read_feedback,
    source_of,
)
from goalkit.datasets.spelling import spelled
from goalkit.errors import DatasetError, reason_of
from goalkit.tasks import GOAL_TASKS, Task

if TYPE_CHECKING:
    from goalkit.datasets.splits import Splits

TEXT = "text"
PROVENANCE = "provenance"
"""Column with the origin of a row: `original`, `feedback`, or the name of an augmentation."""
PARENT = "parent"
"""Column with the text from which a row was derived, or an empty string. Both stay in the same part of a split."""
RESERVED = (TEXT, PROVENANCE, PARENT)
ORIGINAL = "original"
FEEDBACK = "feedback"

logger = logging.getLogger(__name__)


def _check_rows(dataset: Dataset, attribute: attrs.Attribute[pa.Table], table: pa.Table) -> None:
    if not len(table):
        raise DatasetError("there are no rows: give at least one text with its labels")
    for task in dataset.tasks:
        _label_ids(table, task)


@attrs.frozen(eq=False)
class Dataset:
    """Texts with one label per task. Every operation returns a new dataset.

    Args:
        tasks: the tasks of the labels.
        table: string columns `text`, one per task with its name, `provenance` and `parent`.

    Raises:
        DatasetError: there are no rows, or a label is not among those of its task.
    """

    tasks: tuple[Task, ...] = attrs.field()
    table: pa.Table = attrs.field(validator=_check_rows, repr=lambda table: f"<{len(table)} rows>")

    @classmethod
    def from_columns(
        cls,
        texts: Sequence[str] | pa.ChunkedArray,
        labels: Mapping[str, Sequence[str] | pa.ChunkedArray],
        *,
        tasks: Sequence[Task] = (),
        merge_labels: bool = False,
        provenance: str = ORIGINAL,
        parents: Sequence[str] | None = None,
    ) -> Dataset:
        """Build a dataset from sequences or Arrow columns.

        Labels that differ only by surrounding space, invisible characters or Unicode form are equal; see docs/data.md.

        Args:
            texts: N strings.
            labels: for each task its N labels.
            tasks: tasks against which to check the labels. The labels of other tasks are collected from the rows: in the order
                of the goal task of that name if it has all of them, else sorted.
            merge_labels: merge labels that differ only by case, width or spaces, into the label of the task or the most
                common one. Otherwise they are logged.
            provenance: origin of the rows: `original`, `feedback`, or the name of an augmentation.
            parents: the N texts from which the rows were derived, if any.

        Raises:
            DatasetError: there are no rows, columns differ in length or contain other values than strings, a label is not
                among those of its task, or a task has a reserved name.
            ConfigurationError: a column has a single label, or a task name is invalid.
        """
        _check_names(labels)
        for name, column in labels.items():
            if len(column) != len(texts):
                raise DatasetError(f"there are {len(texts)} texts and {len(column)} labels for {name}: give one label per text")
        if not len(texts):
            raise DatasetError("there are no rows: give at least one text with its labels")
        columns = {
            TEXT: texts,
            **labels,
            PROVENANCE: [provenance] * len(texts),
            PARENT: [""] * len(texts) if parents is None else parents,
        }
        table = pa.table({name: _strings(name, column) for name, column in columns.items()})
        given = {task.name: task for task in tasks}
        for name in labels:
            allowed = given[name].labels if name in given else None
            column = spelled(name, table[name], allowed, merge=merge_labels)
            table = table.set_column(table.schema.get_field_index(name), name, column)
        return cls(tuple(given.get(name) or _gather_task(name, table[name]) for name in labels), table)

    @classmethod
    def read(
        cls,
        source: object,
        *,
        text: str = TEXT,
        labels: Labels = GOAL_TASKS,
        rename: Renaming | None = None,
        merge_labels: bool = False,
        encoding: str = AUTO,
        sheet: str | None = None,
        rejects: str | Path | None = None,
    ) -> Dataset:
        """Read labelled texts from a file, data frame or Hugging Face dataset; see docs/data.md and docs/exports.md.

        Args:
            source: path of a file of delimited text (.csv, .tsv, .txt), JSON lines (.jsonl, .ndjson), Parquet or Excel
                (.xlsx, .xlsm; needs the extra `xlsx`), a pandas `DataFrame`, or a `Dataset` of Hugging Face datasets.
            text: the column of texts.
            labels: the label columns, or a mapping from label column to task, such as `{"List Name": "category"}`. A task
                name accepts any labels, a `Task` only its own.
            rename: for each task, labels by which to replace values, such as `{"completion": {0: "未开始", 2: "已完成"}}`.
                Numbers match in any notation, and true is 1. A value without a name is an error.
            merge_labels: merge labels that differ only by case, width or spaces, as in `from_columns`.
            encoding: encoding of a text file. `auto` detects UTF-8, UTF-16 with a byte-order mark, GB18030 and Big5.
            sheet: sheet of an Excel workbook; None for the first one.
            rejects: a JSON lines file for bad rows, with line or row number, reason and content. If None, a bad row is an
                error.

        Raises:
            DatasetError: the source cannot be read, has bad rows and `rejects` is None, or has no good rows.
            StorageError: `rejects` cannot be written, or contains something other than bad rows.
            ConfigurationError: a column has a single label, or a task name is invalid.
        """
        return cls._gathered(source_of(source, encoding, sheet), Columns.of(text, labels, rename), merge_labels, rejects)

    @classmethod
    def from_csv(cls, path: str | Path, *, text: str = TEXT, labels: Labels = GOAL_TASKS, encoding: str = AUTO) -> Dataset:
        """Read a CSV file with a header line and any suffix; `read` has more options.

        Args:
            path: the file.
            text: the column of texts.
            labels: the label columns, as in `read`.
            encoding: encoding of the file, as in `read`.

        Raises:
            DatasetError: the file cannot be read, or has bad rows.
            ConfigurationError: a column has a single label, or a task name is invalid.
        """
        return cls._gathered(csv_source(Path(path), encoding), Columns.of(text, labels, None), False, None)

    @classmethod
    def from_hub(
        cls,
        name: str,
        *,
        split: str,
        subset: str | None = None,
        text: str = TEXT,
        labels: Labels = GOAL_TASKS,
        rename: Renaming | None = None,
        merge_labels: bool = False,
        rejects: str | Path | None = None,
    ) -> Dataset:
        """Read a dataset with `datasets.load_dataset`; needs the extra `data`.

        Args:
            name: a dataset on the Hugging Face hub, or a local folder of CSV, JSON or Parquet files.
            split: the split, such as `train`, or a part of it, `train[:1000]`.
            subset: the subset of a dataset that has several.
            text: the column of texts.
            labels: the label columns, as in `read`; class numbers are replaced by class names.
            rename: labels by which to replace values, as in `read`.
            merge_labels: merge labels that differ only by case, width or spaces, as in `from_columns`.
            rejects: a file for bad rows, as in `read`.

        Raises:
            DatasetError: it cannot be loaded, has bad rows and `rejects` is None, or has no good rows.
            StorageError: `rejects` cannot be written, or contains something other than bad rows.
            ConfigurationError: a column has a single label, or a task name is invalid.
        """
        source = hub_source(name, split=split, subset=subset)
        return cls._gathered(source, Columns.of(text, labels, rename), merge_labels, rejects)

    @classmethod
    def from_feedback(
        cls, path: str | Path, *, tasks: Sequence[Task] = GOAL_TASKS, rejects: str | Path | None = None
    ) -> Dataset:
        """Read the feedback that an app has collected, in the format of docs/data.md.

        Each text gets the labels of its latest feedback: those that the user gave and, if the user called the prediction
        useful, the predicted ones. Texts without labels of all tasks are skipped; their number is logged.

        Args:
            path: JSON lines, UTF-8.
            tasks: the tasks for which a row needs labels.
            rejects: a file for malformed lines, as in `read`.

        Raises:
            DatasetError: the file cannot be read, has malformed lines and `rejects` is None, or gives no text all labels.
            StorageError: `rejects` cannot be written, or contains something other than bad rows.
        """
        _check_names([task.name for task in tasks])
        texts, labels = read_feedback(Path(path), tasks, rejects=rejects)
        return cls.from_columns(texts, labels, tasks=tasks, provenance=FEEDBACK)

    @classmethod
    def _gathered(cls, source: Source, asked: Columns, merge_labels: bool, rejects: str | Path | None) -> Dataset:
        _check_names(asked.task_names)
        rows = gather(source, asked, merge_labels=merge_labels, rejects=rejects)
        return cls.from_columns(rows.texts, rows.labels, tasks=asked.tasks, merge_labels=merge_labels)

    @classmethod
    def goals(cls, labels: Sequence[str | Task] = GOAL_TASKS) -> Dataset:
        """Return the shipped goals, which a language model wrote for goalkit (docs/goal-corpus.md).

        Args:
            labels: the tasks to load; defaults to all three.
        """
        with resources.as_file(resources.files("goalkit.resources") / "goals.csv") as path:
            return cls.from_csv(path, labels=labels)

    def __len__(self) -> int:
        return len(self.table)

    @property
    def texts(self) -> list[str]:
        """The N texts."""
        texts: list[str] = self.table[TEXT].to_pylist()
        return texts

    @property
    def labels(self) -> dict[str, list[str]]:
        """For each task its N labels."""
        return {task.name: self.table[task.name].to_pylist() for task in self.tasks}

    def label_ids(self, task: Task) -> npt.NDArray[np.int64]:
        """Return the N labels of a task as positions in `task.labels`, int64 [N].

        Args:
            task: the task, matched by name. Use a model's task to get positions of the model's outputs.

        Raises:
            DatasetError: the rows have no labels for this task, or one that `task` does not have.
        """
        self._check_labelled([task])
        return _label_ids(self.table, task)

    def with_tasks(self, tasks: Sequence[Task]) -> Dataset:
        """Return the same rows with these tasks only, matched by name. `tasks` determine the labels and their order.

        Raises:
            DatasetError: the rows have no labels for a task, or a label that its task does not have.
        """
        self._check_labelled(tasks)
        return Dataset(tuple(tasks), self.table.select([TEXT, *(task.name for task in tasks), PROVENANCE, PARENT]))

    def _check_labelled(self, tasks: Sequence[Task]) -> None:
        names = [task.name for task in self.tasks]
        if missing := [task.name for task in tasks if task.name not in names]:
            raise DatasetError(
                f"the rows have labels for {', '.join(names)}, not for {', '.join(missing)}: add a column of labels for each, "
                "or choose tasks that have labels"
            )

    def combination_ids(self) -> npt.NDArray[np.int64]:
        """Return a number per row, int64 [N], that is equal for rows with the same labels for all tasks."""
        ids = np.zeros(len(self), np.int64)
        for task in self.tasks:
            ids = ids * len(task.labels) + self.label_ids(task)
        return ids

    def label_counts(self) -> dict[str, dict[str, int]]:
        """Return for each task the number of rows per label, in the order of its labels."""
        counts = {name: Counter(column) for name, column in self.labels.items()}
        return {task.name: {label: counts[task.name][label] for label in task.labels} for task in self.tasks}

    def take(self, rows: Sequence[int] | npt.NDArray[np.int64]) -> Dataset:
        """Return the rows at these positions, in this order."""
        return Dataset(self.tasks, self.table.take(pa.array(rows, pa.int64())))

    def extend(self, other: Dataset) -> Dataset:
        """Append the rows of another dataset with labels for the same tasks.

        Raises:
            DatasetError: the other rows have no labels for a task, or a label that the task does not have.
        """
        added = other.with_tasks(self.tasks).table
        return Dataset(self.tasks, pa.concat_tables([self.table, added.select(self.table.column_names)]))

    def clean(self) -> Dataset:
        """Clean the rows with the default `Cleaner`. A summary of changed and dropped rows is logged.

        `goalkit.datasets.Cleaner` has options and records each change.
        """
        from goalkit.datasets.cleaning import Cleaner

        cleaning = Cleaner().clean(self)
        logger.info("cleaning: %s", cleaning.summary())
        return cleaning.dataset

    def split(self, *, train: float = 0.70, validation: float = 0.15, test: float = 0.15, seed: int = 0) -> Splits:
        """Split the rows into three parts; see `goalkit.datasets.splits.split`."""
        from goalkit.datasets.splits import split

        return split(self, train=train, validation=validation, test=test, seed=seed)

    def digest(self) -> str:
        """Return a SHA-256 of the rows, independent of their order. It identifies the data on which a model was trained."""
        rows = sorted("\t".join(row) for row in zip(self.texts, *self.labels.values(), strict=True))
        return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def _label_ids(table: pa.Table, task: Task) -> npt.NDArray[np.int64]:
    ids = pc.index_in(table[task.name], pa.array(task.labels))
    row = pc.index(ids.is_null(), True).as_py()
    if row >= 0:
        text, label = table[TEXT][row].as_py(), table[task.name][row].as_py()
        raise DatasetError(
            f"row {row + 1} ({text[:20]!r}) has the {task.name} {label!r}, which is not one of "
            f"{', '.join(task.labels)}: correct the label or add it to the task"
        )
    positions: npt.NDArray[np.int64] = ids.to_numpy().astype(np.int64)
    return positions


def _check_names(labels: Collection[str]) -> None:
    if not labels or set(labels) & set(RESERVED):
        raise DatasetError(f"the label columns are {list(labels)}: give at least one, and none called {', '.join(RESERVED)}")


def _strings(name: str, column: Sequence[str] | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    try:
        strings = column if isinstance(column, pa.ChunkedArray) else pa.array(column, pa.string())
    except (pa.ArrowException, TypeError) as error:
        raise DatasetError(
            f"the column {name} has values other than strings ({reason_of(error)}): give each row a string"
        ) from error
    if strings.null_count:
        row = pc.index(strings.is_null(), True).as_py() + 1
        raise DatasetError(f"the column {name} has no value in row {row}: give each row a string")
    return strings


def _gather_task(name: str, column: pa.ChunkedArray) -> Task:
    found = set(pc.unique(column).to_pylist())
    for task in GOAL_TASKS:
        if task.name == name and found <= set(task.labels):
            return Task(name, [label for label in task.labels if label in found])
    return Task(name, sorted(found))
