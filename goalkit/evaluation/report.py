"""The report on a trained model: how good it is, where it errs, how far its confidence can be trusted, how fast and large."""

from __future__ import annotations

import time
from pathlib import Path

import attrs
import numpy as np
import numpy.typing as npt

from goalkit.configuration import json_bytes, to_dict
from goalkit.datasets import Dataset
from goalkit.evaluation.calibration import calibration_error
from goalkit.evaluation.scores import rows_to_score
from goalkit.model import GoalModel
from goalkit.storage import write_file
from goalkit.tasks import Task

DRAWS = 2_000
CONFIDENCE = 0.95
BATCH = 64


@attrs.frozen
class Measure:
    """A statistic of N rows, and the bounds of its 95 % bootstrap interval (Efron & Tibshirani, 1993)."""

    value: float
    low: float
    high: float


@attrs.frozen
class LabelScore:
    """How well one label of a task is distinguished from the others.

    Args:
        label: its name.
        precision: share of the rows predicted to have it that do; None if it is never predicted.
        recall: share of the rows that have it for which it is predicted; None if it does not occur.
        f1: harmonic mean of the two; None if the label neither occurs nor is predicted.
        rows: how many have it.
    """

    label: str
    precision: float | None
    recall: float | None
    f1: float | None
    rows: int


@attrs.frozen
class Mistake:
    """A text with its right label, the predicted one, and how probable the model held that."""

    text: str
    label: str
    predicted: str
    probability: float


@attrs.frozen
class TaskReport:
    """How good a model is at one task.

    Args:
        task: its name.
        accuracy: share of right labels.
        macro_f1: mean F1 score over the labels that occur or are predicted; in each draw of the bootstrap, over those that do
            there.
        averaged_labels: how many those are among all rows.
        calibration_error: expected calibration error, 0 to 1.
        labels: one row each, in the task's order.
        confusion: rows by right label (first) and predicted label.
        mistakes: the most confident ones, the worst first.
    """

    task: str
    accuracy: Measure
    macro_f1: Measure
    averaged_labels: int
    calibration_error: float
    labels: tuple[LabelScore, ...]
    confusion: tuple[tuple[int, ...], ...]
    mistakes: tuple[Mistake, ...]


@attrs.frozen
class EvaluationReport:
    """How good a model is on labelled rows, and what it costs.

    Args:
        rows: how many there were.
        tasks: one report per task of the model that the rows are labelled for, in the model's order.
        tokens_per_second: real tokens per second, in batches of 64 texts of similar length, on this machine.
        parameters: of the model.
        model_bytes: of its tensors on disk.
    """

    rows: int
    tasks: tuple[TaskReport, ...]
    tokens_per_second: float
    parameters: int
    model_bytes: int

    def save(self, path: str | Path) -> Path:
        """Write the report as JSON, whole or not at all. Raises StorageError if it cannot be written."""
        path = Path(path)
        write_file(path, json_bytes(to_dict(self)))
        return path


def evaluation_report(model: GoalModel, rows: Dataset, *, mistakes: int = 10, seed: int = 0) -> EvaluationReport:
    """Report on a model.

    Args:
        model: stays as it is.
        rows: labelled for some of the model's tasks, at least one, and neither trained on nor chosen by: those of test.
            Matched with the model's tasks and labels by name.
        mistakes: how many of the most confident ones to name per task.
        seed: of the bootstrap.

    Raises:
        DatasetError: the rows have none of the model's tasks, or a label that the model does not know.
    """
    rows = rows_to_score(model, rows)
    texts = rows.texts
    model.predict_probabilities(texts[:BATCH])
    start = time.perf_counter()
    probabilities = model.predict_probabilities(texts, batch_size=BATCH)
    seconds = time.perf_counter() - start
    _, lengths = model.tokenizer.encode_flat(texts, model.encoder.max_length)
    return EvaluationReport(
        rows=len(rows),
        tasks=tuple(
            task_report(task, texts, rows.label_ids(task), probabilities[task.name], mistakes=mistakes, seed=seed)
            for task in rows.tasks
        ),
        tokens_per_second=float(lengths.sum() / seconds),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        model_bytes=model.size_bytes(),
    )


def task_report(
    task: Task,
    texts: list[str],
    truth: npt.NDArray[np.int64],
    probabilities: npt.NDArray[np.float32],
    *,
    mistakes: int,
    seed: int,
) -> TaskReport:
    """Report on one task from N texts, their right labels, int [N], and probabilities, float [N, labels]."""
    count, predicted = len(task.labels), probabilities.argmax(1)
    confusion = np.bincount(truth * count + predicted, minlength=count * count).reshape(count, count)
    # rows drawn anew with replacement fall into the cells of the confusion matrix by a multinomial law
    drawn = np.random.default_rng(seed).multinomial(len(truth), confusion.ravel() / len(truth), DRAWS).reshape(-1, count, count)
    precision, recall, f1 = (each[0] for each in _by_label(confusion[None]))
    confident = np.argsort(-np.where(predicted == truth, -1, probabilities.max(1)), kind="stable")[:mistakes]
    return TaskReport(
        task=task.name,
        accuracy=_measure(_accuracy(confusion[None])[0], _accuracy(drawn)),
        macro_f1=_measure(np.nanmean(f1), np.nanmean(_by_label(drawn)[2], axis=1)),
        averaged_labels=int(np.isfinite(f1).sum()),
        calibration_error=calibration_error(probabilities, truth),
        labels=tuple(
            LabelScore(
                label, _defined(precision[place]), _defined(recall[place]), _defined(f1[place]), int(confusion[place].sum())
            )
            for place, label in enumerate(task.labels)
        ),
        confusion=tuple(tuple(map(int, row)) for row in confusion),
        mistakes=tuple(
            Mistake(texts[row], task.labels[truth[row]], task.labels[predicted[row]], float(probabilities[row].max()))
            for row in confident
            if predicted[row] != truth[row]
        ),
    )


def _accuracy(confusions: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    return np.trace(confusions, axis1=1, axis2=2) / confusions[0].sum()  # type: ignore[no-any-return]


def _by_label(confusions: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.float64], ...]:
    """Precision, recall and F1 of each label, [D, labels], of D confusion matrices; NaN where no rows are divided."""
    right = np.diagonal(confusions, axis1=1, axis2=2)
    are, called = confusions.sum(2), confusions.sum(1)
    with np.errstate(invalid="ignore"):
        return right / called, right / are, 2 * right / (are + called)


def _defined(share: float) -> float | None:
    return None if np.isnan(share) else float(share)


def _measure(value: float, drawn: npt.NDArray[np.float64]) -> Measure:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Measure(float(value), float(low), float(high))
