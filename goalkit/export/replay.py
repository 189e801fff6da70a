"""Replay: a few base examples in the bundle, mixed in when a head learns on the phone, against forgetting.

Rehearsal of old examples is the simplest remedy for catastrophic forgetting (Robins, 1995, Connection Science 7).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from goalkit.configuration import from_dict, read_json, to_dict
from goalkit.errors import BundleError, ConfigurationError
from goalkit.tasks import Task, task_named


@attrs.frozen(kw_only=True)
class Replay:
    """N texts with their labels, saved as `replay.json`. Every user of the app can read them.

    Args:
        texts: N texts.
        labels: N labels per task.
    """

    texts: tuple[str, ...]
    labels: dict[str, tuple[str, ...]]

    @classmethod
    def choose(cls, texts: Sequence[str], labels: Mapping[str, Sequence[str]], *, per_label: int = 8, seed: int = 0) -> Replay:
        """Sample texts so that every label of every task has at least `per_label` texts, or all it has if there are fewer."""
        needed = {
            (task, label): min(count, per_label) for task, column in labels.items() for label, count in Counter(column).items()
        }
        chosen = []
        for row in np.random.default_rng(seed).permutation(len(texts)):
            keys = [(task, column[row]) for task, column in labels.items()]
            if any(needed[key] > 0 for key in keys):
                chosen.append(int(row))
                for key in keys:
                    needed[key] -= 1
        return cls(
            texts=tuple(texts[row] for row in chosen),
            labels={task: tuple(column[row] for row in chosen) for task, column in labels.items()},
        )

    def check(self, tasks: Sequence[Task], heads: Sequence[str]) -> None:
        """Raise ConfigurationError unless every text has a valid label per task in `labels`, and one of these has a head.

        Args:
            tasks: the tasks that the model predicts.
            heads: tasks that have an updatable head.
        """
        for name, column in self.labels.items():
            task = task_named(tasks, name)
            if len(column) != len(self.texts):
                raise ConfigurationError(
                    f"replay has {len(self.texts)} texts and {len(column)} labels for {name}: give one per text"
                )
            task.label_ids(column)
        if not set(self.labels) & set(heads):
            raise ConfigurationError(
                f"replay has labels for {', '.join(self.labels) or 'no task'}, and there are updatable heads for "
                f"{', '.join(heads) or 'no task'}: give the head that is to be trained on it, or leave replay out"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the contents of `replay.json`."""
        return to_dict(self)

    @classmethod
    def from_file(cls, path: Path) -> Replay:
        """Read a `replay.json`. Raises BundleError if it is damaged."""
        return from_dict(cls, read_json(path, error=BundleError), source=str(path), error=BundleError)
