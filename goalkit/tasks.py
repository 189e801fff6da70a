"""Tasks: what is predicted about a text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import attrs

from goalkit.errors import ConfigurationError

TASK_NAME = re.compile(r"[a-z][a-z0-9_]*")
"""What a task may be called: it names features of Core ML."""


def _check_name(task: Task, attribute: attrs.Attribute[str], name: str) -> None:
    if not TASK_NAME.fullmatch(name):
        raise ConfigurationError(
            f"task name {name!r} cannot name a Core ML feature: use small letters, digits and _, starting with a letter"
        )


def check_distinct(owner: str, labels: Sequence[str]) -> None:
    """Raise ConfigurationError unless each label of `owner` is a name of its own."""
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
        """Positions of N labels among the outputs. Raises ConfigurationError for a label that the task does not have."""
        positions = {label: position for position, label in enumerate(self.labels)}
        for row, label in enumerate(labels, 1):
            if label not in positions:
                raise ConfigurationError(
                    f"task {self.name!r} has no label {label!r}; its labels are {', '.join(self.labels)}: correct row {row}, "
                    "or take a model that knows it"
                )
        return [positions[label] for label in labels]


GOAL_TASKS: tuple[Task, ...] = (
    Task("category", ("健康", "学习", "工作", "生活", "理财")),
    Task("difficulty", ("简单", "中等", "困难")),
    Task("completion", ("未开始", "进行中", "已完成")),
)
"""What goalkit predicts about a goal; docs/annotation-guide.md defines each label."""


def task_named(tasks: Sequence[Task], name: str) -> Task:
    """The task called `name`. Raises ConfigurationError that lists the tasks there are."""
    for task in tasks:
        if task.name == name:
            return task
    raise ConfigurationError(f"there is no task {name!r}; the tasks are {', '.join(task.name for task in tasks)}")
