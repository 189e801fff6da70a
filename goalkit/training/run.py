"""Result of a training run: the best model, and the history of its training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from goalkit.configuration import to_dict
from goalkit.evaluation.scores import TaskScore
from goalkit.extras import extra
from goalkit.model import GoalModel
from goalkit.training.settings import TrainingSettings

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@attrs.frozen
class Epoch:
    """Results of one pass over the training rows.

    Args:
        number: number of the epoch, from 1.
        loss: mean loss over the training rows, computed during training.
        validation: scores on the validation rows, one per task; empty if there are no validation rows.
        validation_loss: negative log likelihood summed over tasks, mean over the validation rows; None if there are none.
        score: value by which epochs are compared, higher is better: the metric, or the negated loss; without validation rows
            the negated training loss.
        seconds: duration of the pass and its validation.
    """

    number: int
    loss: float
    validation: tuple[TaskScore, ...]
    validation_loss: float | None
    score: float
    seconds: float


@attrs.frozen
class TrainingRun:
    """A finished training run: the best model, and the history of its training.

    Args:
        model: model of the best epoch, in evaluation mode and on the CPU.
        trainer: settings of the training run.
        epochs: results of all epochs, in order.
        best_epoch: number of the epoch whose weights `model` has.
        losses: mean loss of each step over its rows.
        temperatures: temperature by which the logits of each task are divided, folded into its head; empty if calibration was
            not requested.
        data_digest: fingerprint of the training rows (`Dataset.digest`).
    """

    model: GoalModel = attrs.field(repr=False)
    trainer: TrainingSettings
    epochs: tuple[Epoch, ...] = attrs.field(repr=lambda epochs: f"<{len(epochs)} epochs>")
    best_epoch: int
    losses: tuple[float, ...] = attrs.field(repr=lambda losses: f"<{len(losses)} steps>")
    temperatures: dict[str, float]
    data_digest: str

    def record(self) -> dict[str, Any]:
        """Return settings, results of all epochs and data fingerprint, ready for JSON."""
        return {
            "trainer": to_dict(self.trainer),
            "data_sha256": self.data_digest,
            "best_epoch": self.best_epoch,
            "temperatures": self.temperatures,
            "epochs": [to_dict(epoch) for epoch in self.epochs],
        }

    def save(self, folder: str | Path) -> Path:
        """Write the model folder, including `training.json` with settings, data fingerprint and all epochs."""
        return self.model.save(folder, records={"training.json": self.record()})

    def plot(self) -> Figure:
        """Plot losses and validation scores by epoch; a notebook displays the figure. Requires matplotlib."""
        with extra("train"):
            from matplotlib.figure import Figure

        figure = Figure(figsize=(9, 3.2), layout="constrained")
        left, right = figure.subplots(1, 2)
        numbers = [epoch.number for epoch in self.epochs]
        steps = len(self.losses) / len(numbers)
        left.plot([(place + 1) / steps for place in range(len(self.losses))], self.losses, color="0.8", label="step")
        left.plot(numbers, [epoch.loss for epoch in self.epochs], marker="o", label="training")
        left.plot(numbers, [epoch.validation_loss for epoch in self.epochs], marker="o", label="validation")
        for name in [score.task for score in self.epochs[0].validation]:
            values = [score.macro_f1 for epoch in self.epochs for score in epoch.validation if score.task == name]
            right.plot(numbers, values, marker="o", label=name)
        right.axvline(self.best_epoch, color="0.8", zorder=0)
        for axes, title in ((left, "loss"), (right, "macro-F1 on validation rows")):
            axes.set(title=title, xlabel="epoch")
            axes.legend(frameon=False)
        return figure
