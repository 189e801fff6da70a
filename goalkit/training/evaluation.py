"""How good predictions are."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np
import numpy.typing as npt

from goalkit.datasets import Dataset
from goalkit.model import GoalModel
from goalkit.tasks import Task


@attrs.frozen
class TaskScore:
    """Scores of one task: share of right labels, and the mean over labels of the F1 score."""

    task: str
    accuracy: float
    macro_f1: float


def evaluate(model: GoalModel, rows: Dataset) -> tuple[TaskScore, ...]:
    """Score a model on labelled rows, a `TaskScore` a task."""
    return score(rows, model.predict_probabilities(rows.texts))


def score(rows: Dataset, probabilities: Mapping[str, npt.NDArray[np.float32]]) -> tuple[TaskScore, ...]:
    """Score probabilities, for each task [N, labels], against the labels of N rows."""
    return tuple(score_labels(task, rows.label_ids(task.name), probabilities[task.name].argmax(1)) for task in rows.tasks)


def score_labels(task: Task, truth: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64]) -> TaskScore:
    """Score predicted labels of one task, int [N], against the right ones, both as positions among its labels."""
    from sklearn.metrics import f1_score

    macro = f1_score(truth, predicted, labels=range(len(task.labels)), average="macro", zero_division=0.0)
    return TaskScore(task.name, float(np.mean(truth == predicted)), float(macro))
