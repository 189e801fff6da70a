"""Tasks: what a model predicts about a text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import attrs

from goalkit.errors import ConfigurationError

TASK_NAME = re.compile(r"[a-z][a-z0-9_]*")
"""Valid task names. They become names of Core ML features."""


def _check_name(task: Task, attribute: attrs.Attribute[str], name: str) -> None:
    if not TASK_NAME.fullmatch(name):
        raise ConfigurationError(
            f"task name {name!r} cannot name a Core ML feature: use lower-case letters, digits and _, starting with a letter"
        )


def check_distinct(owner: str, labels: Sequence[str]) -> None:
    """Raise ConfigurationError if a label of `owner` is empty or repeated."""
    if len(set(labels)) != len(labels) or not all(label.strip() for label in labels):
        raise ConfigurationError(f"{owner} has empty or repeated labels: {list(labels)}; give each label once")


def _check_labels(task: Task, attribute: attrs.Attribute[tuple[str, ...]], labels: tuple[str, ...]) -> None:
    if len(labels) < 2:
        raise ConfigurationError(
            f"task {task.name!r} has {len(labels)} label(s) {list(labels)}: a classifier needs at least two; "
            "add rows with another label or leave the task out"
        )
    check_distinct(f"task {task.name!r}", labels)


def _as_tuple(labels: Iterable[str]) -> tuple[str, ...]:
    return tuple(labels)


@attrs.frozen
class Task:
    """One thing to predict about a text: a name and its labels, in the order of the model's outputs.

    Raises:
        ConfigurationError: the name cannot name a Core ML feature, or there are fewer than two distinct labels.
    """

    name: str = attrs.field(validator=_check_name)
    labels: tuple[str, ...] = attrs.field(converter=_as_tuple, validator=_check_labels)

    def label_ids(self, labels: Sequence[str]) -> list[int]:
        """Return the output positions of N labels. Raises ConfigurationError for a label that the task does not have."""
        positions = {label: position for position, label in enumerate(self.labels)}
        for row, label in enumerate(labels, 1):
            if label not in positions:
                raise ConfigurationError(
                    f"task {self.name!r} has no label {label!r}; its labels are {', '.join(self.labels)}: correct row {row}, "
                    "or use a model that has this label"
                )
        return [positions[label] for label in labels]


GOAL_TASKS: tuple[Task, ...] = (
    Task("category", ("健康", "学习", "工作", "生活", "理财")),
    Task("difficulty", ("简单", "中等", "困难")),
    Task("completion", ("未开始", "进行中", "已完成")),
)
"""The tasks of the shipped goals. docs/annotation-guide.md defines each label."""


def task_named(tasks: Sequence[Task], name: str) -> Task:
    """Return the task called `name`. Raises ConfigurationError, which lists the tasks, if there is none."""
    for task in tasks:
        if task.name == name:
            return task
    raise ConfigurationError(f"there is no task {name!r}; the tasks are {', '.join(task.name for task in tasks)}")
