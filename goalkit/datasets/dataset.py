"""Dataset: texts with a label a task, and where each row came from."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from goalkit.datasets.cleaning import clean_text
from goalkit.datasets.readers import read_csv
from goalkit.errors import DatasetError
from goalkit.tasks import GOAL_TASKS, Task, task_named

if TYPE_CHECKING:
    from goalkit.datasets.splits import Splits

TEXT = "text"
PROVENANCE = "provenance"
"""Column that says how a row came about: `original`, `feedback`, or the name of the augmentation that made it."""
PARENT = "parent"
"""Column with the text that a row was derived from, empty if from none. A row stays on its parent's side of a split."""
RESERVED = (TEXT, PROVENANCE, PARENT)
ORIGINAL = "original"
FEEDBACK = "feedback"

logger = logging.getLogger(__name__)


def _check_rows(dataset: Dataset, attribute: attrs.Attribute[pa.Table], table: pa.Table) -> None:
    if not len(table):
        raise DatasetError("there are no rows: give at least a text with its labels")
    for task in dataset.tasks:
        row = pc.index(pc.is_in(table[task.name], pa.array(task.labels)), False).as_py()
        if row >= 0:
            text, label = table[TEXT][row].as_py(), table[task.name][row].as_py()
            raise DatasetError(
                f"row {row + 1} ({text[:20]!r}) has the {task.name} {label!r}, which is not one of "
                f"{', '.join(task.labels)}: correct the label or add it to the task"
            )


@attrs.frozen(eq=False)
class Dataset:
    """Texts with one label a task. Every operation returns a new dataset.

    Args:
        tasks: the tasks that the rows are labelled for.
        table: columns `text`, one a task by its name, `provenance` and `parent`; all strings.

    Raises:
        DatasetError: there are no rows, or a label is not one of its task's.
    """

    tasks: tuple[Task, ...] = attrs.field()
    table: pa.Table = attrs.field(validator=_check_rows, repr=lambda table: f"<{len(table)} rows>")

    @classmethod
    def from_columns(
        cls,
        texts: Sequence[str],
        labels: Mapping[str, Sequence[str]],
        *,
        tasks: Sequence[Task] = (),
        provenance: str = ORIGINAL,
        parents: Sequence[str] | None = None,
    ) -> Dataset:
        """Build from plain sequences.

        Args:
            texts: N strings.
            labels: for each task its N labels.
            tasks: the tasks in full, to hold the labels to them; for a name not among them the labels are gathered
                from the rows, in the order of goalkit's own task of that name if they all belong to it, else sorted.
            provenance: how the rows came about: `original`, `feedback`, or the name of an augmentation.
            parents: the N texts that they were derived from, if they were.
        """
        if not labels or set(labels) & set(RESERVED):
            raise DatasetError(
                f"the label columns are {list(labels)}: give at least one, and none called {', '.join(RESERVED)}"
            )
        for name, column in labels.items():
            if len(column) != len(texts):
                raise DatasetError(f"there are {len(texts)} texts and {len(column)} labels for {name}: give one label a text")
        if not texts:
            raise DatasetError("there are no rows: give at least a text with its labels")
        given = {task.name: task for task in tasks}
        resolved = tuple(given.get(name) or _gather_task(name, column) for name, column in labels.items())
        columns = {
            TEXT: texts,
            **labels,
            PROVENANCE: [provenance] * len(texts),
            PARENT: [""] * len(texts) if parents is None else parents,
        }
        return cls(resolved, pa.table({name: pa.array(column, pa.string()) for name, column in columns.items()}))

    @classmethod
    def from_csv(
        cls, path: str | Path, *, text: str = TEXT, labels: Sequence[str | Task] = GOAL_TASKS, encoding: str = "utf-8"
    ) -> Dataset:
        """Read a CSV file with a header line.

        Args:
            path: the file.
            text: the column of texts.
            labels: the label columns: a name takes whatever labels the column holds, a `Task` allows only its own.
            encoding: of the file.

        Raises:
            DatasetError: the file cannot be read as told, or a label is outside its task.
            ConfigurationError: a column holds a single label.
        """
        names = [entry if isinstance(entry, str) else entry.name for entry in labels]
        if len({text, *names}) <= len(names):
            raise DatasetError(f"the text column is {text}, the label columns are {', '.join(names)}: name each column once")
        table = read_csv(Path(path), [text, *names], encoding=encoding)
        if not len(table):
            raise DatasetError(f"{path} has a header line but no rows: add texts with labels")
        try:
            return cls.from_columns(
                table[text].to_pylist(),
                {name: table[name].to_pylist() for name in names},
                tasks=[entry for entry in labels if isinstance(entry, Task)],
            )
        except DatasetError as fault:
            raise DatasetError(f"{path}: {fault}") from fault

    @classmethod
    def goals(cls, labels: Sequence[str | Task] = GOAL_TASKS) -> Dataset:
        """The goals that ship with goalkit: hand-written for it, not collected; docs/goal-corpus.md describes them.

        Args:
            labels: the tasks wanted, by default all three.
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

    def label_ids(self, name: str) -> npt.NDArray[np.int64]:
        """The N labels of one task as positions among its outputs, int64 [N]."""
        task = task_named(self.tasks, name)
        ids: npt.NDArray[np.int64] = pc.index_in(self.table[name], pa.array(task.labels)).to_numpy().astype(np.int64)
        return ids

    def label_counts(self) -> dict[str, dict[str, int]]:
        """For each task the rows of each label, labels in the task's order."""
        counts = {name: Counter(column) for name, column in self.labels.items()}
        return {task.name: {label: counts[task.name][label] for label in task.labels} for task in self.tasks}

    def take(self, rows: Sequence[int]) -> Dataset:
        """The rows at these positions, in this order."""
        return Dataset(self.tasks, self.table.take(pa.array(rows, pa.int64())))

    def extend(self, other: Dataset) -> Dataset:
        """These rows, and after them those of a dataset with the same tasks. Raises DatasetError if it has others."""
        if other.tasks != self.tasks:
            raise DatasetError(
                f"the rows to add are labelled for {', '.join(task.name for task in other.tasks)} with their own labels, these "
                f"for {', '.join(task.name for task in self.tasks)}: give both the same tasks"
            )
        return Dataset(self.tasks, pa.concat_tables([self.table, other.table.select(self.table.column_names)]))

    def clean(self) -> Dataset:
        """Strip control and invisible characters and surplus space; drop what is then empty or a repetition.

        A text that stands there with different labels is dropped altogether, as nobody can tell which is right. What
        was dropped is logged, with numbers.
        """
        cleaned = [clean_text(text) for text in self.texts]
        rows = list(zip(*self.labels.values(), strict=True))
        labels_of: dict[str, set[tuple[str, ...]]] = {}
        for text, labels in zip(cleaned, rows, strict=True):
            labels_of.setdefault(text, set()).add(labels)
        kept: dict[str, int] = {}
        for number, text in enumerate(cleaned):
            if text and len(labels_of[text]) == 1:
                kept.setdefault(text, number)
        conflicting = sum(len(labels_of[text]) > 1 for text in cleaned if text)
        empty = cleaned.count("")
        repeated = len(cleaned) - len(kept) - conflicting - empty
        logger.info("cleaning dropped %d empty, %d repeated and %d conflicting rows", empty, repeated, conflicting)
        chosen = self.table.take(pa.array(list(kept.values()), pa.int64()))
        position = chosen.schema.get_field_index(TEXT)
        return Dataset(self.tasks, chosen.set_column(position, TEXT, pa.array(list(kept), pa.string())))

    def split(self, *, train: float = 0.70, validation: float = 0.15, test: float = 0.15, seed: int = 0) -> Splits:
        """Divide the rows; see goalkit.datasets.splits.split."""
        from goalkit.datasets.splits import split

        return split(self, train=train, validation=validation, test=test, seed=seed)

    def digest(self) -> str:
        """SHA-256 over the rows, whatever their order: which data a model was trained on."""
        rows = sorted("\t".join(row) for row in zip(self.texts, *self.labels.values(), strict=True))
        return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def _gather_task(name: str, column: Sequence[str]) -> Task:
    found = set(column)
    for task in GOAL_TASKS:
        if task.name == name and found <= set(task.labels):
            return Task(name, [label for label in task.labels if label in found])
    return Task(name, sorted(found))
