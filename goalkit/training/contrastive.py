"""Supervised contrastive learning: moves embeddings of the same label together and those of different labels apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from goalkit.model import GoalModel
from goalkit.training.batching import Places
from goalkit.training.encoding import Batch
from goalkit.training.objective import Objective

MINIMUM_ROWS = 2
"""Minimum number of rows per label in a batch: an anchor and a positive."""


@attrs.frozen(eq=False)
class SupervisedContrast(Objective):
    """Mean over tasks of `contrastive_loss`, for batches in which each label has several rows (see `balanced_batches`).

    Args:
        temperature: divisor of the cosines; the lower it is, the more the hardest negatives count.
    """

    compares_rows = True
    temperature: float

    def outputs(self, model: GoalModel, batch: Batch) -> Mapping[str, Tensor]:
        """See `Objective.outputs`."""
        return {"embedding": model.embedding(batch.input_ids, batch.attention_mask, batch.length)}

    def loss(self, outputs: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """See `Objective.loss`."""
        each = [contrastive_loss(outputs["embedding"], column, self.temperature) for column in batch.labels.values()]
        return torch.stack(each).mean() * len(batch.places)


def contrastive_loss(embeddings: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Return the supervised contrastive loss of one task (Khosla et al., 2020, arXiv 2004.11362, equation 2), a scalar.

    A row whose label no other row has is not used as an anchor, but it is a negative for the other rows.

    Args:
        embeddings: embeddings of the rows, float [n, H].
        labels: label ids, int64 [n].
        temperature: divisor of the cosines.
    """
    directions = functional.normalize(embeddings.float(), dim=1)
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    likeness = (directions @ directions.T / temperature).masked_fill(itself, -torch.inf)
    logarithms = torch.log_softmax(likeness, dim=1)
    positive = (labels[:, None] == labels) & ~itself
    counts = positive.sum(1)
    losses = -logarithms.masked_fill(~positive, 0).sum(1) / counts.clamp(min=1)
    return losses.sum() / (counts > 0).sum().clamp(min=1)


def balanced_batches(
    labels: Mapping[str, npt.NDArray[np.int64]], *, size: int, steps: int, random: np.random.Generator
) -> Iterator[Places]:
    """Yield for each step the positions of at most `size` rows, with the same number of rows, at least two, for each label.

    Each batch is balanced for one task, in turn. If `size` is too small for all labels of that task, the batch has a random
    choice of them. The rows of a label are drawn in random order, and none is repeated before all have been drawn. A label
    with too few rows has the same row more than once in a batch, which dropout turns into different views of one text.

    Args:
        labels: label ids of the N rows, for each task int64 [N].
        size: maximum number of rows per batch, at least 4.
        steps: number of batches.
        random: the random number generator.
    """
    decks = [[_draw(np.flatnonzero(column == label), random) for label in np.unique(column)] for column in labels.values()]
    for step in range(steps):
        deck = decks[step % len(decks)]
        chosen = random.permutation(len(deck))[: max(MINIMUM_ROWS, size // MINIMUM_ROWS)]
        yield np.array([next(deck[label]) for label in chosen for _ in range(max(MINIMUM_ROWS, size // len(chosen)))])


def _draw(places: Places, random: np.random.Generator) -> Iterator[int]:
    while True:
        yield from random.permutation(places)
