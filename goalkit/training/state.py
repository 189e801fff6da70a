"""State of a training run in progress."""

from __future__ import annotations

import attrs
from torch import Tensor, nn

from goalkit.model import GoalModel
from goalkit.training.run import Epoch, TrainingRun
from goalkit.training.settings import TrainingSettings


@attrs.define(eq=False)
class TrainingState:
    """State of a training run: the current epoch, and the results so far.

    Args:
        epoch: number of the current epoch, from 1.
        step: number of finished steps of the current epoch.
        loss: loss of the current epoch, summed over the rows so far.
        seconds: duration of the current epoch so far.
        losses: mean loss of each step so far, over its rows.
        epochs: the finished epochs.
        best: weights after the best of the finished epochs.
    """

    epoch: int = 1
    step: int = 0
    loss: float = 0.0
    seconds: float = 0.0
    losses: list[float] = attrs.field(factory=list)
    epochs: list[Epoch] = attrs.field(factory=list)
    best: dict[str, Tensor] = attrs.field(factory=dict)

    @property
    def done(self) -> int:
        """Number of finished steps of all epochs."""
        return len(self.losses)

    @property
    def leader(self) -> Epoch:
        """The best epoch so far; the first one if several are equal."""
        return max(self.epochs, key=lambda epoch: epoch.score)

    def advance(self, loss: float, rows: int, seconds: float) -> None:
        """Record a finished step.

        Args:
            loss: mean loss of the step over its rows.
            rows: number of rows of the step.
            seconds: duration of the current epoch so far.
        """
        self.step += 1
        self.loss += loss * rows
        self.losses.append(loss)
        self.seconds = seconds

    def finish(self, epoch: Epoch, model: nn.Module) -> None:
        """Record a finished epoch and start the next one. The weights are kept if the epoch is the best so far."""
        self.epochs.append(epoch)
        if self.leader is epoch:
            self.best = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
        self.epoch, self.step, self.loss, self.seconds = epoch.number + 1, 0, 0.0, 0.0

    def run(
        self, model: GoalModel, trainer: TrainingSettings, data_digest: str, temperatures: dict[str, float] | None = None
    ) -> TrainingRun:
        """Return the finished run; for the arguments see `TrainingRun`."""
        return TrainingRun(
            model=model,
            trainer=trainer,
            epochs=tuple(self.epochs),
            best_epoch=self.leader.number,
            losses=tuple(self.losses),
            temperatures=temperatures or {},
            data_digest=data_digest,
        )
