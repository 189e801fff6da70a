"""Requested columns: their values, and their positions in a table."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

import attrs

from goalkit.datasets.reading.encodings import printable
from goalkit.datasets.spelling import alike, bare
from goalkit.errors import ConfigurationError, DatasetError, MissingColumnError
from goalkit.tasks import TASK_NAME, Task

Labels = Sequence[str | Task] | Mapping[str, str | Task]
"""Label columns: names of columns that are also their tasks, or a mapping from column to task (a name or a `Task`)."""

Renaming = Mapping[str, Mapping[str | float, str]]
"""For each task, the labels by which to replace values."""

_NUMBER = re.compile(r"[+-]?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")


class Row(NamedTuple):
    """A record of a source.

    Args:
        place: the line or row where it begins, counted from 1.
        values: its values in the requested columns.
        raw: its text in the file, if it has one.
        columns: the names of all columns that were read, in order.
        fields: its values in them.
    """

    place: int
    values: Sequence[object]
    raw: str | None
    columns: Sequence[str]
    fields: Sequence[object]


@attrs.frozen
class LabelColumn:
    """A column of labels.

    Args:
        name: name of the column.
        task: the task of its labels. A name accepts any labels, a `Task` only its own.
        names: labels by which to replace values, keyed as by `_key`.
    """

    name: str
    task: str | Task
    names: Mapping[object, str]

    @property
    def task_name(self) -> str:
        """The name of the task."""
        return self.task if isinstance(self.task, str) else self.task.name

    @property
    def admitted(self) -> tuple[str, ...] | None:
        """The labels that the column may have; None for any."""
        if isinstance(self.task, Task):
            return self.task.labels
        return tuple(dict.fromkeys(self.names.values())) or None

    def named(self, value: object) -> object:
        """Return the label for `value`, or `value` if it is not renamed. An invisible string becomes the empty string."""
        name = self.names.get(_key(value), value) if self.names else value
        return "" if isinstance(name, str) and not bare(name) else name


@attrs.frozen
class Columns:
    """The columns of a source from which to build a dataset."""

    text: str
    labels: tuple[LabelColumn, ...]

    @classmethod
    def of(cls, text: str, labels: Labels, rename: Renaming | None) -> Columns:
        """Check the arguments of `Dataset.read`.

        Raises:
            DatasetError: a column or a task is named twice.
            ConfigurationError: a task name is invalid, or `rename` is for another task or contradicts itself.
        """
        if isinstance(labels, Mapping):
            pairs = list(labels.items())
        else:
            pairs = [(entry if isinstance(entry, str) else entry.name, entry) for entry in labels]
        tasks = [task if isinstance(task, str) else task.name for _, task in pairs]
        names = [text, *(column for column, _ in pairs)]
        if len(set(names)) < len(names):
            raise DatasetError(
                f"the text column is {text}, the label columns are {', '.join(names[1:])}: name each column once"
            )
        if len(set(tasks)) < len(tasks):
            raise DatasetError(f"the label columns are for the tasks {', '.join(tasks)}: give each column its own task")
        for column, task in zip(names[1:], tasks, strict=True):
            _check_task_name(column, task)
        rename = rename or {}
        if unknown := [task for task in rename if task not in tasks]:
            raise ConfigurationError(
                f"rename is for {', '.join(unknown)}, but the tasks are {', '.join(tasks)}: use one of these"
            )
        columns = [
            LabelColumn(column, task, _renaming(name, rename.get(name, {})))
            for (column, task), name in zip(pairs, tasks, strict=True)
        ]
        return cls(text, tuple(columns))

    @property
    def names(self) -> list[str]:
        """The names of the text column and of the label columns."""
        return [self.text, *(column.name for column in self.labels)]

    @property
    def task_names(self) -> list[str]:
        """The task name of each label column."""
        return [column.task_name for column in self.labels]

    @property
    def tasks(self) -> list[Task]:
        """The tasks that were given as a `Task`."""
        return [column.task for column in self.labels if isinstance(column.task, Task)]


def _check_task_name(column: str, task: str) -> None:
    if TASK_NAME.fullmatch(task):
        return
    plain = re.sub(r"[^a-z0-9]+", "_", column.lower()).strip("_")
    better = plain if TASK_NAME.fullmatch(plain) else "category"
    raise ConfigurationError(
        f"{task!r} cannot name a Core ML feature (lower-case letters, digits and _, starting with a letter): name the task of "
        f'this column, labels={{"{column}": "{better}"}} (--label "{column}={better}" on the command line)'
    )


def _renaming(task: str, names: Mapping[str | float, str]) -> dict[object, str]:
    keys: dict[object, str] = {}
    for value, name in names.items():
        if not isinstance(name, str) or not bare(name):
            raise ConfigurationError(f"{task} {value!r} is renamed to {name!r}: give it a name, as text")
        if keys.setdefault(_key(value), bare(name)) != bare(name):
            raise ConfigurationError(f"{task} {value!r} is renamed to both {keys[_key(value)]} and {name}: give it one name")
    return keys


def _key(value: object) -> object:
    """Return the lookup key of a value. `1`, `1.0`, `TRUE` and their text forms are equal; None becomes ""."""
    if isinstance(value, str):
        text = bare(value)
        if text.casefold() in ("true", "false"):
            return text.casefold() == "true"
        return Decimal(text) if _NUMBER.fullmatch(text) else text
    if value is None:
        return ""
    if isinstance(value, float):
        return Decimal(str(value))
    return value if isinstance(value, int | Decimal) else repr(value)


def listed(names: Iterable[object]) -> str:
    """Format names for a message: on one line, cut after 200 characters."""
    line = printable(" ".join(", ".join(map(str, names)).split()))
    return line if len(line) <= 200 else f"{line[:199]}…"


def places_of(columns: Sequence[object], names: Sequence[str]) -> list[list[int]]:
    """Return for each of `names` the positions of the columns with exactly this name, or else of those that look the same."""
    exact = list(map(str, columns))
    seen = list(map(bare, exact))
    return [
        [place for place, column in enumerate(exact) if column == name]
        or [place for place, column in enumerate(seen) if column == bare(name)]
        for name in names
    ]


def find_columns(source: str, columns: Sequence[object], names: Sequence[str]) -> list[int]:
    """Return the position of each of `names`. Each must name exactly one column.

    Raises:
        MissingColumnError: a name matches no column.
        DatasetError: a name matches several columns.
    """
    places = places_of(columns, names)
    if missing := [name for name, found in zip(names, places, strict=True) if not found]:
        similar = {close: None for name in missing for close in _similar(name, columns)}
        remedy = f"did you mean {listed(similar)}?" if similar else "name the right ones"
        raise MissingColumnError(
            f"{source} has no column {', '.join(missing)}; its columns are {listed(columns)}: {remedy}", missing
        )
    if repeated := [name for name, found in zip(names, places, strict=True) if len(found) > 1]:
        raise DatasetError(f"{source} has several columns {', '.join(repeated)}: give each column its own name")
    return [place for (place,) in places]


def _similar(name: str, columns: Sequence[object]) -> list[str]:
    folded = {alike(str(column)): bare(str(column)) for column in reversed(columns)}
    return [folded[close] for close in difflib.get_close_matches(alike(name), folded, n=1, cutoff=0.75)]
