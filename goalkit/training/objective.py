"""Objectives: the losses that training minimises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import attrs
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from goalkit.datasets import Dataset
from goalkit.model import GoalModel
from goalkit.training.encoding import Batch
from goalkit.training.settings import TrainingSettings

UNLABELLED = -1
"""Label id of texts without labels."""


class Objective(ABC):
    """A loss, and the outputs of the model from which it is computed."""

    compares_rows: ClassVar[bool] = False
    """Whether the loss of a row depends on the other rows of its batch. If so, batches are not divided among processes."""
    unlabelled: Sequence[str] = ()
    """Texts without labels, which `Trainer` adds after the training rows; their label ids are `UNLABELLED`."""

    @property
    def expected_rows(self) -> int | None:
        """Number of rows that the objective has data for; None, the default, if it has data for none in particular."""
        return None

    def outputs(self, model: GoalModel, batch: Batch) -> Mapping[str, Tensor]:
        """Return the inputs of the loss, in the precision of training; by default the logits of each task, [n, labels]."""
        logits: dict[str, Tensor] = model(batch.input_ids, batch.attention_mask, batch.length)
        return logits

    def fingerprint(self) -> str:
        """Return a string that differs between objectives, checked when a run is resumed; by default the name of the class."""
        return type(self).__name__

    @abstractmethod
    def loss(self, outputs: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """Return the loss, summed over the n rows of a batch: a scalar, computed in float32."""


@attrs.frozen(eq=False)
class CrossEntropy(Objective):
    """Sum over tasks of the weighted cross-entropy, optionally with class weights.

    Args:
        task_weights: weight of each task's loss.
        class_weights: weights of the labels, per task float32 [labels], 1 on average over the training rows. The labels of a
            task that is not listed have equal weights.
        label_smoothing: share of the target probability that is spread evenly over all labels (Szegedy et al., 2016, arXiv
            1512.00567).
    """

    task_weights: Mapping[str, float]
    class_weights: Mapping[str, Tensor]
    label_smoothing: float = 0.0

    @classmethod
    def of(cls, rows: Dataset, settings: TrainingSettings) -> CrossEntropy:
        """Create the objective for the tasks of `rows`, with the weights and label smoothing of `settings`."""
        weights = {task.name: settings.task_weights.get(task.name, 1.0) for task in rows.tasks}
        classes = {}
        for task in rows.tasks if settings.class_weights == "balanced" else ():
            counts = np.bincount(rows.label_ids(task), minlength=len(task.labels))
            classes[task.name] = torch.from_numpy((len(rows) / len(counts) / counts).astype(np.float32))
        return cls(weights, classes, settings.label_smoothing)

    def loss(self, outputs: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """See `Objective.loss`."""
        losses = []
        for name, weight in self.task_weights.items():
            logits, classes = outputs[name].float(), self.class_weights.get(name)
            loss = functional.cross_entropy(
                logits,
                batch.labels[name],
                weight=None if classes is None else classes.to(logits.device),
                label_smoothing=self.label_smoothing,
                reduction="sum",
            )
            losses.append(weight * loss)
        return torch.stack(losses).sum()
