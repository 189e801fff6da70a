"""Hints: the sentence that an app shows under a goal, chosen by the predicted labels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import attrs

from goalkit.configuration import from_dict, read_json, to_dict
from goalkit.errors import BundleError, ConfigurationError
from goalkit.model import Prediction
from goalkit.tasks import GOAL_TASKS, Task

SEPARATOR = "/"


@attrs.frozen(kw_only=True)
class Hints:
    """Templates by predicted labels, saved as `hints.json`.

    Args:
        tasks: tasks whose labels choose a template, in the order in which the labels are joined to a key.
        confidence: the fallback is shown if the probability of any of those labels is below this.
        templates: sentence per combination of labels, joined with `/`, such as `健康/简单/未开始`.
        fallback: sentence for a goal that the model is unsure about.
    """

    tasks: tuple[str, ...]
    confidence: float = 0.6
    templates: dict[str, str]
    fallback: str

    def choose(self, prediction: Prediction) -> str:
        """Return the sentence for a goal."""
        if not self.tasks or any(
            prediction.probabilities[task][prediction.labels[task]] < self.confidence for task in self.tasks
        ):
            return self.fallback
        return self.templates[SEPARATOR.join(prediction.labels[task] for task in self.tasks)]

    def check(self, tasks: Sequence[Task]) -> None:
        """Raise ConfigurationError unless there is a template for every combination of the labels of `tasks`."""
        keys = [""]
        labels = {task.name: task.labels for task in tasks}
        for name in self.tasks:
            if name not in labels:
                raise ConfigurationError(
                    f"the hints need the task {name}, the model predicts {', '.join(labels)}: give other hints"
                )
            keys = [f"{key}{SEPARATOR}{label}".lstrip(SEPARATOR) for key in keys for label in labels[name]]
        if unknown := sorted(set(self.templates) - set(keys if self.tasks else ())):
            raise ConfigurationError(
                f"the hint for {unknown[0]} is for no combination of labels of {', '.join(self.tasks) or 'no task'}: "
                "correct its key or leave it out"
            )
        if missing := [key for key in keys if self.tasks and key not in self.templates]:
            raise ConfigurationError(f"there is no hint for {missing[0]} and {len(missing) - 1} more: add a sentence for each")

    def to_dict(self) -> dict[str, Any]:
        """Return the contents of `hints.json`."""
        return to_dict(self)

    @classmethod
    def from_file(cls, path: Path) -> Hints:
        """Read a `hints.json`. Raises BundleError if it is damaged."""
        return from_dict(cls, read_json(path, error=BundleError), source=str(path), error=BundleError)


def default_hints(tasks: Sequence[Task]) -> Hints:
    """Return goalkit's own Chinese sentences if `tasks` are those of goals, else the fallback only."""
    shipped = json.loads(resources.files("goalkit.resources").joinpath("hints.json").read_text(encoding="utf-8"))
    if tuple(tasks) != GOAL_TASKS:
        return Hints(tasks=(), templates={}, fallback=shipped["fallback"])
    templates = {
        SEPARATOR.join((category, difficulty, completion)): sentence
        for category, by_difficulty in shipped["templates"].items()
        for difficulty, by_completion in by_difficulty.items()
        for completion, sentence in by_completion.items()
    }
    return Hints(tasks=tuple(task.name for task in tasks), templates=templates, fallback=shipped["fallback"])
