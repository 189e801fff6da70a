"""How good predictions are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import numpy as np
import numpy.typing as npt

from goalkit.datasets import Dataset
from goalkit.errors import DatasetError
from goalkit.extras import extra
from goalkit.model import GoalModel
from goalkit.tasks import Task


@attrs.frozen
class TaskScore:
    """Scores of one task.

    Args:
        task: its name.
        accuracy: share of right labels.
        macro_f1: mean F1 score over the labels that occur or are predicted.
        averaged_labels: how many those are.
        labels: how many the task has.
    """

    task: str
    accuracy: float
    macro_f1: float
    averaged_labels: int
    labels: int


def evaluate(model: GoalModel, rows: Dataset) -> tuple[TaskScore, ...]:
    """Score a model on rows that are labelled for some of its tasks, at least one.

    Args:
        model: what to score.
        rows: matched with the model's tasks and labels by name.

    Returns:
        One score per task that both have, in the model's order.

    Raises:
        DatasetError: the rows have none of the model's tasks, or a label that the model does not know.
    """
    rows = rows_to_score(model, rows)
    return score(rows.tasks, rows, model.predict_probabilities(rows.texts))


def rows_to_score(model: GoalModel, rows: Dataset) -> Dataset:
    """Rows in those of a model's tasks that they are labelled for.

    Raises:
        DatasetError: they have none of the model's tasks, or a label that the model does not know.
    """
    names = [task.name for task in rows.tasks]
    shared = tuple(task for task in model.tasks if task.name in names)
    if not shared:
        raise DatasetError(
            f"the model predicts {', '.join(task.name for task in model.tasks)}, the rows are labelled for {', '.join(names)}: "
            "give rows that are labelled for at least one of the model's tasks"
        )
    return rows.with_tasks(shared)


def score(tasks: Sequence[Task], rows: Dataset, probabilities: Mapping[str, npt.NDArray[np.float32]]) -> tuple[TaskScore, ...]:
    """Score probabilities of `tasks`, for each [N, labels] in the order of its labels, against the labels of N rows."""
    return tuple(score_labels(task, rows.label_ids(task), probabilities[task.name].argmax(1)) for task in tasks)


def score_labels(task: Task, truth: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64]) -> TaskScore:
    """Score predicted labels of one task, int [N], against the right ones, both as positions among its labels."""
    with extra("train"):
        from sklearn.metrics import f1_score

    return TaskScore(
        task=task.name,
        accuracy=float(np.mean(truth == predicted)),
        macro_f1=float(f1_score(truth, predicted, average="macro")),
        averaged_labels=len(np.union1d(truth, predicted)),
        labels=len(task.labels),
    )
