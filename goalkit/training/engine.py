"""One optimizer step, and one validation, in however many processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np
import torch
from torch import Tensor, nn

from goalkit.datasets import Dataset
from goalkit.errors import DivergedError, TrainingError
from goalkit.evaluation.scores import TaskScore, score
from goalkit.model import GoalModel
from goalkit.precision import best_precision
from goalkit.training.batching import Places, epoch_steps
from goalkit.training.encoding import EncodedRows
from goalkit.training.objective import Objective
from goalkit.training.optimization import build_optimizer, set_rate
from goalkit.training.processes import Processes

if TYPE_CHECKING:
    from goalkit.training.trainer import Trainer

OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


@attrs.frozen(eq=False)
class Engine:
    """A model with the rows it learns from and the optimizer that changes it."""

    trainer: Trainer
    model: GoalModel
    rows: EncodedRows
    objective: Objective
    processes: Processes
    precision: torch.dtype
    trained: list[nn.Parameter]
    optimizer: torch.optim.Optimizer

    @classmethod
    def of(cls, trainer: Trainer, model: GoalModel, rows: Dataset, processes: Processes) -> Engine:
        """Tokenise the rows and make the optimizer."""
        objective = Objective.of(
            rows,
            task_weights=trainer.task_weights,
            balanced=trainer.class_weights == "balanced",
            label_smoothing=trainer.label_smoothing,
            device=processes.device,
        )
        auto = trainer.precision == "auto"
        return cls(
            trainer,
            model,
            EncodedRows.of(rows, model.tokenizer, min(trainer.max_length, model.encoder.max_length)),
            objective,
            processes,
            best_precision(processes.device) if auto else getattr(torch, trainer.precision),
            [parameter for parameter in model.parameters() if parameter.requires_grad],
            build_optimizer(model, trainer),
        )

    def steps(self, epoch: int) -> list[list[Places]]:
        """The batches of each step of an epoch; see `epoch_steps`."""
        trainer = self.trainer
        return epoch_steps(
            self.rows.lengths,
            rows=trainer.batch_size,
            tokens=trainer.batch_tokens,
            accumulation=trainer.accumulation,
            seed=trainer.seed,
            epoch=epoch,
        )

    def autocast(self) -> torch.autocast:
        """The context in which the model computes in the chosen precision."""
        return torch.autocast(self.processes.device.type, torch.bfloat16, enabled=self.precision is torch.bfloat16)

    def step(self, batches: list[Places], number: int, rate: float) -> float:
        """Learn from batches, accumulated, and return the mean loss over all their rows.

        Each process takes its part of every batch. What is random depends on (seed, number, rank) alone, so that a resumed
        training draws what an uninterrupted one would have drawn.
        """
        self.model.train()
        set_rate(self.optimizer, rate)
        self.optimizer.zero_grad()
        torch.manual_seed(_seed(self.trainer.seed, number, self.processes.rank))
        count = sum(map(len, batches))
        total = torch.zeros((), device=self.processes.device)
        try:
            for batch in batches:
                total += self._accumulate(self.processes.share(batch), count)
        except (RuntimeError, MemoryError) as fault:
            if isinstance(fault, RuntimeError) and not any(words in str(fault) for words in OUT_OF_MEMORY):
                raise
            raise TrainingError(
                f"out of memory at step {number}, with batches of up to {max(map(len, batches))} rows: lower batch_size "
                "(accumulation=2 makes up for half of it), batch_tokens or max_length"
            ) from fault
        loss = self.processes.sum_gradients(self.trained, total).item()
        if not np.isfinite(loss):
            raise DivergedError(f"the loss is {loss} at step {number}: lower learning_rate, or set precision='float32'")
        nn.utils.clip_grad_norm_(self.trained, self.trainer.clip_norm)
        self.optimizer.step()
        return float(loss)

    def _accumulate(self, places: Places, count: int) -> Tensor:
        if not len(places):
            return torch.zeros((), device=self.processes.device)
        ids, mask, labels = self.rows.batch(places, self.processes.device)
        with self.autocast():
            logits = self.model(ids, mask, ids.shape[1])
        loss = self.objective(logits, labels) / count
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def validate(self, rows: Dataset) -> tuple[tuple[TaskScore, ...], float]:
        """Scores of the model on rows labelled for its tasks, and its mean negative log likelihood, summed over tasks.

        Raises:
            DivergedError: the model's probabilities are no numbers.
        """
        places = self.processes.share(np.arange(len(rows)))
        texts = rows.texts
        with self.autocast():
            mine = self.model.predict_probabilities([texts[place] for place in places])
        tasks = self.model.tasks
        probabilities = {task.name: np.zeros((len(rows), len(task.labels)), np.float32) for task in tasks}
        for rank, found in enumerate(self.processes.gather(mine)):
            for name, values in found.items():
                probabilities[name][rank :: self.processes.count] = values
        likelihoods = [
            np.log(np.maximum(probabilities[task.name][np.arange(len(rows)), rows.label_ids(task)], 1e-12)).mean()
            for task in tasks
        ]
        loss = float(-np.sum(likelihoods))
        if not np.isfinite(loss):
            raise DivergedError(f"the loss on the validation rows is {loss}: lower learning_rate, or set precision='float32'")
        return score(tasks, rows, probabilities), loss


def _seed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])
