"""What a training leaves: the best model, and how it came about."""

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
    """What one pass over the training rows gave.

    Args:
        number: from 1.
        loss: mean over the training rows, while they were trained on.
        validation: scores on the validation rows, one per task; none without such rows.
        validation_loss: mean over the validation rows of the tasks' summed negative log likelihoods.
        score: what epochs are compared by, the higher the better: the metric, a loss negated; without validation rows it is
            the training loss.
        seconds: of the pass and its validation.
    """

    number: int
    loss: float
    validation: tuple[TaskScore, ...]
    validation_loss: float | None
    score: float
    seconds: float


@attrs.frozen
class TrainingRun:
    """A finished training: the best model, and how it came about.

    Args:
        model: of the best epoch, in evaluation mode on the CPU.
        trainer: the configuration.
        epochs: all of them.
        best_epoch: the number of the one whose weights `model` has.
        losses: of every step, the mean over its rows.
        temperatures: what each task's logits were divided by, folded into the head; empty if not asked for.
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
        """All but the model, ready for JSON."""
        return {
            "trainer": to_dict(self.trainer),
            "data_sha256": self.data_digest,
            "best_epoch": self.best_epoch,
            "temperatures": self.temperatures,
            "epochs": [to_dict(epoch) for epoch in self.epochs],
        }

    def save(self, folder: str | Path) -> Path:
        """Write the model folder, and `training.json` with configuration, data fingerprint and every epoch into it."""
        return self.model.save(folder, records={"training.json": self.record()})

    def plot(self) -> Figure:
        """Draw losses and validation scores by epoch; a notebook shows it. Requires matplotlib."""
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
