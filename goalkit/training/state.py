"""How far a training has come."""

from __future__ import annotations

import attrs
from torch import Tensor, nn

from goalkit.training.run import Epoch


@attrs.define(eq=False)
class TrainingState:
    """The epoch under way, its finished steps, its loss summed over rows and its seconds; and what came before it.

    Args:
        losses: of every step so far, the mean over its rows.
        epochs: those that are over.
        best: weights of the best of them.
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
        """Steps so far, of all epochs."""
        return len(self.losses)

    @property
    def leader(self) -> Epoch:
        """The best epoch so far; among equals, the first."""
        return max(self.epochs, key=lambda epoch: epoch.score)

    def advance(self, loss: float, rows: int, seconds: float) -> None:
        """One step further, whose mean loss over its rows this is; `seconds` is the age of the epoch."""
        self.step += 1
        self.loss += loss * rows
        self.losses.append(loss)
        self.seconds = seconds

    def finish(self, epoch: Epoch, model: nn.Module) -> None:
        """One epoch further; its weights are kept if it is the best."""
        self.epochs.append(epoch)
        if self.leader is epoch:
            self.best = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
        self.epoch, self.step, self.loss, self.seconds = epoch.number + 1, 0, 0.0, 0.0
