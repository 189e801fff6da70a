"""What training makes small: the sum over tasks of their cross entropies."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from goalkit.datasets import Dataset


@attrs.frozen(eq=False)
class Objective:
    """Cross entropy of every task, each with its weight in the whole and, if asked, weights of its classes.

    Args:
        task_weights: for each task how much it counts.
        class_weights: for each task float32 [labels], 1 in the mean over the training rows; none for equal ones.
        label_smoothing: share of the truth that is spread over all labels (Szegedy et al., 2016, arXiv 1512.00567).
    """

    task_weights: Mapping[str, float]
    class_weights: Mapping[str, Tensor]
    label_smoothing: float = 0.0

    @classmethod
    def of(
        cls, rows: Dataset, *, task_weights: Mapping[str, float], balanced: bool, label_smoothing: float, device: torch.device
    ) -> Objective:
        """For the tasks of `rows`; `balanced` weighs classes by the inverse of how often they occur."""
        weights = {task.name: task_weights.get(task.name, 1.0) for task in rows.tasks}
        classes = {}
        for task in rows.tasks if balanced else ():
            counts = np.bincount(rows.label_ids(task), minlength=len(task.labels))
            classes[task.name] = torch.from_numpy((len(rows) / len(counts) / counts).astype(np.float32)).to(device)
        return cls(weights, classes, label_smoothing)

    def __call__(self, logits: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> Tensor:
        """The sum, a scalar, over n rows: of logits, for each task float [n, labels], and labels, int64 [n]."""
        losses = [
            weight
            * functional.cross_entropy(
                logits[name].float(),
                labels[name],
                weight=self.class_weights.get(name),
                label_smoothing=self.label_smoothing,
                reduction="sum",
            )
            for name, weight in self.task_weights.items()
        ]
        return torch.stack(losses).sum()
