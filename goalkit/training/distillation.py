"""Distillation: objectives by which a student model learns from the outputs of a teacher model."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import attrs
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from goalkit.configuration import between
from goalkit.model import GoalModel
from goalkit.training.encoding import Batch
from goalkit.training.objective import Objective

Array = npt.NDArray[np.float32]


@attrs.frozen(eq=False, kw_only=True)
class SoftLabels(Objective):
    """Distillation of a teacher's probabilities, mixed with the labels of the rows (Hinton et al., 2015, arXiv 1503.02531).

    Args:
        probabilities: the teacher's probabilities of the N training rows, in their order; per task float32 [N, labels].
        temperature: softens both distributions; above 1, unlikely labels have more weight.
        share: share of the teacher in the loss; the rest is cross-entropy with the labels.
    """

    probabilities: Mapping[str, Array]
    temperature: float = attrs.field(default=2.0, validator=between(0, above=True))
    share: float = attrs.field(default=0.5, validator=between(0, 1))

    def fingerprint(self) -> str:
        """See `Objective.fingerprint`."""
        return f"SoftLabels {self.temperature} {self.share} {_digest(self.probabilities)}"

    def loss(self, outputs: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """See `Objective.loss`."""
        losses = []
        for task, probabilities in self.probabilities.items():
            logits = outputs[task].float()
            taught = torch.from_numpy(probabilities[batch.places]).to(logits.device).clamp(min=1e-8)
            soft = torch.log_softmax(taught.log() / self.temperature, dim=1)
            own = torch.log_softmax(logits / self.temperature, dim=1)
            # compensates for gradients that shrink with the square of the temperature
            distance = functional.kl_div(own, soft, log_target=True, reduction="sum") * self.temperature**2
            hard = functional.cross_entropy(logits, batch.labels[task], reduction="sum")
            losses.append(self.share * distance + (1 - self.share) * hard)
        return torch.stack(losses).sum()


@attrs.frozen(eq=False, kw_only=True)
class SameEmbeddings(Objective):
    """Distillation of a teacher's embeddings: their directions, and the similarities between the texts of a batch.

    Args:
        embeddings: the teacher's embeddings of the N training rows, in their order; float32 [N, K]. Centring them improves
            distillation.
        direction: weight of the mean cosine distance; unless it is 0, K must be the student's hidden size H.
        likeness: weight of the mean squared difference of the cosines between all texts of a batch (Tung & Mori, 2019, arXiv
            1907.09682); K may be any size.
    """

    compares_rows = True
    embeddings: Array
    direction: float = attrs.field(default=2.0, validator=between(0))
    likeness: float = attrs.field(default=20.0, validator=between(0))

    def fingerprint(self) -> str:
        """See `Objective.fingerprint`."""
        return f"SameEmbeddings {self.direction} {self.likeness} {_digest({'embeddings': self.embeddings})}"

    def outputs(self, model: GoalModel, batch: Batch) -> Mapping[str, Tensor]:
        """See `Objective.outputs`."""
        return {"embedding": model.embedding(batch.input_ids, batch.attention_mask, batch.length)}

    def loss(self, outputs: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """See `Objective.loss`."""
        own = functional.normalize(outputs["embedding"].float(), dim=1)
        taught = functional.normalize(torch.from_numpy(self.embeddings[batch.places]).to(own.device), dim=1)
        loss = self.likeness * functional.mse_loss(own @ own.T, taught @ taught.T)
        if self.direction:
            loss = loss + self.direction * (1 - (own * taught).sum(1)).mean()
        return loss * len(batch.places)


def _digest(arrays: Mapping[str, Array]) -> str:
    digest = hashlib.sha256()
    for name, array in arrays.items():
        digest.update(f"{name} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
