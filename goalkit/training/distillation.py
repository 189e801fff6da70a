"""Distillation: objectives by which a student model learns from the outputs of a teacher model."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import attrs
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from goalkit.configuration import between
from goalkit.errors import TrainingError
from goalkit.model import GoalModel
from goalkit.teacher import Predictor
from goalkit.training.encoding import Batch
from goalkit.training.objective import UNLABELLED, Objective
from goalkit.training.teachers import texts_digest

Array = npt.NDArray[np.float32]


@attrs.frozen(eq=False, kw_only=True)
class SoftLabels(Objective):
    """Distillation of a teacher's probabilities, mixed with the labels of the rows (Hinton et al., 2015, arXiv 1503.02531).

    Args:
        probabilities: the teacher's probabilities of the N training rows, in their order, followed by those of the unlabelled
            texts; per task float32 [N + U, labels].
        unlabelled: U texts without labels, which learn from the teacher alone.
        temperature: softens both distributions; above 1, unlikely labels have more weight.
        share: share of the teacher in the loss; the rest is cross-entropy with the labels.
    """

    probabilities: Mapping[str, Array]
    unlabelled: Sequence[str] = ()
    temperature: float = attrs.field(default=2.0, validator=between(0, above=True))
    share: float = attrs.field(default=0.5, validator=between(0, 1))

    @classmethod
    def of(
        cls, teachers: Sequence[Predictor], texts: Sequence[str], *, unlabelled: Sequence[str] = (), **settings: float
    ) -> SoftLabels:
        """Create the objective from one teacher or several, whose probabilities are averaged.

        Args:
            teachers: one at least, all with the same tasks and labels.
            texts: the texts of the training rows, in their order.
            unlabelled: texts without labels.
            settings: `temperature` and `share`.

        Raises:
            TrainingError: there is no teacher.
        """
        if not teachers:
            raise TrainingError("there is no teacher to learn from: give one at least")
        found = [teacher.predict_probabilities([*texts, *unlabelled]) for teacher in teachers]
        mean = {task: np.stack([each[task] for each in found]).mean(axis=0) for task in found[0]}
        return cls(probabilities=mean, unlabelled=tuple(unlabelled), **settings)

    def fingerprint(self) -> str:
        """See `Objective.fingerprint`."""
        return f"SoftLabels {self.temperature} {self.share} {_digest(self.probabilities)} {texts_digest(self.unlabelled)}"

    @property
    def expected_rows(self) -> int:
        """See `Objective.expected_rows`."""
        return len(next(iter(self.probabilities.values())))

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
            hard = functional.cross_entropy(logits, batch.labels[task], ignore_index=UNLABELLED, reduction="sum")
            losses.append(self.share * distance + (1 - self.share) * hard)
        return torch.stack(losses).sum()


@attrs.frozen(eq=False, kw_only=True)
class SameEmbeddings(Objective):
    """Distillation of a teacher's embeddings: their directions, and the similarities between the texts of a batch.

    Args:
        embeddings: the teacher's embeddings of the N training rows, in their order; float [N, K].
        centre: subtracted from each embedding, float32 [K]; centring improves distillation.
        direction: weight of the mean cosine distance; unless it is 0, K must be the student's hidden size H.
        likeness: weight of the mean squared difference of the cosines between all texts of a batch (Tung & Mori, 2019, arXiv
            1907.09682); K may be any size.
    """

    compares_rows = True
    embeddings: Array | npt.NDArray[np.float16]
    centre: Array | float = 0.0
    direction: float = attrs.field(default=2.0, validator=between(0))
    likeness: float = attrs.field(default=20.0, validator=between(0))

    def fingerprint(self) -> str:
        """See `Objective.fingerprint`."""
        digest = _digest({"embeddings": self.embeddings, "centre": np.asarray(self.centre)})
        return f"SameEmbeddings {self.direction} {self.likeness} {digest}"

    @property
    def expected_rows(self) -> int:
        """See `Objective.expected_rows`."""
        return len(self.embeddings)

    def outputs(self, model: GoalModel, batch: Batch) -> Mapping[str, Tensor]:
        """See `Objective.outputs`."""
        return {"embedding": model.embedding(batch.input_ids, batch.attention_mask, batch.length)}

    def loss(self, outputs: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """See `Objective.loss`."""
        own = functional.normalize(outputs["embedding"].float(), dim=1)
        centred = self.embeddings[batch.places].astype(np.float32) - self.centre
        taught = functional.normalize(torch.from_numpy(centred).to(own.device), dim=1)
        loss = self.likeness * functional.mse_loss(own @ own.T, taught @ taught.T)
        if self.direction:
            loss = loss + self.direction * (1 - (own * taught).sum(1)).mean()
        return loss * len(batch.places)


@attrs.frozen(eq=False)
class SumOfObjectives(Objective):
    """The sum of objectives that use the embeddings or the logits of the same rows, computed once.

    Args:
        parts: at least one; those with data for rows have data for the same rows.
    """

    compares_rows = True
    parts: tuple[Objective, ...]

    def __attrs_post_init__(self) -> None:
        known = {each.expected_rows for each in self.parts} - {None}
        if len(known) > 1:
            raise TrainingError(f"the objectives have data for {sorted(known)} texts: give all of them the same texts")  # type: ignore[type-var]

    @property
    def unlabelled(self) -> Sequence[str]:  # type: ignore[override]
        """See `Objective.unlabelled`."""
        return next((each.unlabelled for each in self.parts if each.unlabelled), ())

    @property
    def expected_rows(self) -> int | None:
        """See `Objective.expected_rows`."""
        return next((each.expected_rows for each in self.parts if each.expected_rows is not None), None)

    def fingerprint(self) -> str:
        """See `Objective.fingerprint`."""
        return " + ".join(each.fingerprint() for each in self.parts)

    def outputs(self, model: GoalModel, batch: Batch) -> Mapping[str, Tensor]:
        """See `Objective.outputs`."""
        embedding = model.embedding(batch.input_ids, batch.attention_mask, batch.length)
        return {"embedding": embedding, **{name: head(embedding) for name, head in model.heads.items()}}

    def loss(self, outputs: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """See `Objective.loss`."""
        return torch.stack([each.loss(outputs, batch) for each in self.parts]).sum()


def _digest(arrays: Mapping[str, npt.NDArray[np.floating]]) -> str:
    digest = hashlib.sha256()
    for name, array in arrays.items():
        digest.update(f"{name} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
