"""Temperature scaling: probabilities that mean what they say (Guo et al., 2017, arXiv 1706.04599)."""

from __future__ import annotations

import attrs
import numpy as np
import numpy.typing as npt
import torch

from goalkit.datasets import Dataset
from goalkit.extras import extra
from goalkit.model import GoalModel

BOUNDS = (0.05, 20.0)
"""Temperatures beyond these say that something else is wrong."""


@attrs.frozen
class Calibration:
    """A model whose heads have been divided by their fitted temperatures, and those temperatures, per task."""

    model: GoalModel
    temperatures: dict[str, float]


def calibrate(model: GoalModel, rows: Dataset) -> Calibration:
    """Fit a temperature to each task by the likelihood of labelled rows, and fold it into the task's last linear layer.

    No label that is predicted changes; torch, package and updatable head all carry the temperature, for all have that layer.

    Args:
        model: stays as it is.
        rows: neither trained on nor reported on: those of validation. Matched with the model's tasks and labels by name.

    Raises:
        DatasetError: the rows lack one of the model's tasks, or have a label that the model does not know.
    """
    rows = rows.with_tasks(model.tasks)
    calibrated = model.copy()
    embeddings = torch.from_numpy(model.embed(rows.texts))
    temperatures = {}
    for task, head in zip(model.tasks, calibrated.heads.values(), strict=True):
        with torch.no_grad():
            logits = head(embeddings).double().numpy()
            temperatures[task.name] = fit_temperature(logits, rows.label_ids(task))
            head.weight.div_(temperatures[task.name])
            head.bias.div_(temperatures[task.name])
    return Calibration(calibrated, temperatures)


def fit_temperature(logits: npt.NDArray[np.float64], truth: npt.NDArray[np.int64]) -> float:
    """The temperature T for which softmax(logits / T), [N, labels], makes the right labels, int [N], likeliest."""
    with extra("train"):
        from scipy.optimize import minimize_scalar
        from scipy.special import log_softmax

    def loss(log_temperature: float) -> float:
        return float(-log_softmax(logits / np.exp(log_temperature), axis=1)[np.arange(len(truth)), truth].mean())

    low, high = np.log(BOUNDS)
    return float(np.exp(minimize_scalar(loss, bounds=(low, high), method="bounded").x))


def calibration_error(probabilities: npt.NDArray[np.floating], truth: npt.NDArray[np.int64], *, bins: int = 15) -> float:
    """Expected calibration error: how far confidence is from accuracy, over equally wide bins of confidence."""
    confidence, right = probabilities.max(1), probabilities.argmax(1) == truth
    places = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = np.bincount(places, confidence - right, bins)
    return float(np.abs(gaps).sum() / len(truth))
