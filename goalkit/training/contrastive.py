"""Supervised contrastive learning: embeddings of one label drawn together, of others apart."""

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

FEWEST = 2
"""Rows per label in a batch: an anchor and one positive."""


@attrs.frozen(eq=False)
class SupervisedContrast(Objective):
    """The mean over tasks of `contrastive_loss`, for batches in which every label has several rows (see `balanced_batches`).

    Args:
        temperature: what cosines are divided by; the lower, the more the hardest negatives count.
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
    """Supervised contrastive loss of one task (Khosla et al., 2020, arXiv 2004.11362, equation 2), a scalar.

    Rows whose label no other row has are no anchors, but still something to be apart from.

    Args:
        embeddings: float [n, H].
        labels: int64 [n].
        temperature: what cosines are divided by.
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
    """For each step the places of `size` rows at most, of which each label that occurs has as many, two at least.

    The tasks take turns in being balanced. A label's rows are dealt out in random order before any of them comes again; a
    label with too few rows has them twice in a batch, which dropout turns into two views of one text.

    Args:
        labels: for each task int64 [N].
        size: rows per batch.
        steps: how many batches.
        random: where chance comes from.
    """
    decks = [[_deal(np.flatnonzero(column == label), random) for label in np.unique(column)] for column in labels.values()]
    for step in range(steps):
        deck = decks[step % len(decks)]
        chosen = random.permutation(len(deck))[: max(FEWEST, size // FEWEST)]
        yield np.array([next(deck[label]) for label in chosen for _ in range(max(FEWEST, size // len(chosen)))])


def _deal(places: Places, random: np.random.Generator) -> Iterator[int]:
    while True:
        yield from random.permutation(places)
