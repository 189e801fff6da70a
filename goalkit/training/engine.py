"""Engine: runs optimizer steps and validations, in one process or several."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import attrs
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from goalkit.datasets import Dataset
from goalkit.errors import DivergedError, TrainingError
from goalkit.evaluation.scores import TaskScore, score
from goalkit.model import GoalModel
from goalkit.precision import best_precision
from goalkit.training.batching import Places
from goalkit.training.encoding import EncodedRows
from goalkit.training.objective import Objective
from goalkit.training.optimization import build_optimizer, set_rate
from goalkit.training.processes import Processes
from goalkit.training.settings import TrainingSettings

OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


@attrs.frozen(eq=False)
class Engine:
    """Everything that is needed for a training step: a model, its training rows, an objective and an optimizer.

    Args:
        settings: settings of the training run.
        model: the model to train, on the device of `processes`.
        rows: the training rows.
        objective: the objective to minimise.
        order: returns the steps of an epoch, given its number from 1; each step is a list of batches.
        processes: the processes that train together.
    """

    settings: TrainingSettings
    model: GoalModel
    rows: EncodedRows
    objective: Objective
    order: Callable[[int], list[list[Places]]]
    processes: Processes
    precision: torch.dtype = attrs.field(init=False)
    trained: list[nn.Parameter] = attrs.field(init=False)
    optimizer: torch.optim.Optimizer = attrs.field(init=False)

    @precision.default
    def _precision(self) -> torch.dtype:
        auto = self.settings.precision == "auto"
        return best_precision(self.processes.device) if auto else getattr(torch, self.settings.precision)

    @trained.default
    def _trained(self) -> list[nn.Parameter]:
        return [parameter for parameter in self.model.parameters() if parameter.requires_grad]

    @optimizer.default
    def _optimizer(self) -> torch.optim.Optimizer:
        return build_optimizer(self.model, self.settings)

    def autocast(self) -> torch.autocast:
        """Return the context manager in which the model computes in the chosen precision."""
        return torch.autocast(self.processes.device.type, torch.bfloat16, enabled=self.precision is torch.bfloat16)

    def _attention(self) -> AbstractContextManager[None]:
        """Return the context manager in which attention is computed: on a CPU, without its fused kernel.

        The backward pass of that kernel takes half of the time of a small model's step on short texts.
        """
        return sdpa_kernel(SDPBackend.MATH) if self.processes.device.type == "cpu" else nullcontext()

    def step(self, batches: list[Places], number: int, rate: float) -> float:
        """Update the weights with the accumulated gradients of batches, and return the mean loss over all their rows.

        Each process computes its share of the rows. Random numbers depend only on (seed, number, rank), so that a resumed run
        draws the same ones as an uninterrupted run.

        Args:
            batches: the batches, each the positions of its rows.
            number: number of the step, from 0.
            rate: the learning rate.

        Raises:
            TrainingError: memory runs out.
            DivergedError: the loss is NaN or infinite.
        """
        self.model.train()
        set_rate(self.optimizer, rate)
        self.optimizer.zero_grad()
        torch.manual_seed(_seed(self.settings.seed, number, self.processes.rank))
        count = sum(map(len, batches))
        total = torch.zeros((), device=self.processes.device)
        try:
            for index, batch in enumerate(batches):
                total += self._accumulate(self._share(batch, index), count)
        except (RuntimeError, MemoryError) as error:
            if isinstance(error, RuntimeError) and not any(words in str(error) for words in OUT_OF_MEMORY):
                raise
            raise TrainingError(
                f"out of memory at step {number}, with batches of up to {max(map(len, batches))} rows: lower batch_size "
                "(with accumulation=2, half of it gives as many rows per step), batch_tokens or max_length"
            ) from error
        loss = self.processes.sum_gradients(self.trained, total).item()
        if not np.isfinite(loss):
            raise DivergedError(f"the loss is {loss} at step {number}: lower learning_rate, or set precision='float32'")
        nn.utils.clip_grad_norm_(self.trained, self.settings.clip_norm)
        self.optimizer.step()
        return float(loss)

    def _share(self, batch: Places, index: int) -> Places:
        """Return this process's rows of a batch. If rows are compared, batches stay whole, and processes take them in turn."""
        if not self.objective.compares_rows:
            return self.processes.share(batch)
        return batch if index % self.processes.count == self.processes.rank else batch[:0]

    def _accumulate(self, places: Places, count: int) -> Tensor:
        if not len(places):
            return torch.zeros((), device=self.processes.device)
        batch = self.rows.batch(places, self.processes.device)
        with self.autocast(), self._attention():
            outputs = self.objective.outputs(self.model, batch)
        loss = self.objective.loss(outputs, batch) / count
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def validate(self, rows: Dataset) -> tuple[tuple[TaskScore, ...], float]:
        """Return scores on rows labelled for the model's tasks, and the mean negative log likelihood, summed over tasks.

        Raises:
            DivergedError: the negative log likelihood is NaN or infinite.
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
