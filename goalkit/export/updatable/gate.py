"""Limits the reach of an update: the updated head answers near the user's corrections, the shipped head elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import attrs
import numpy as np
import numpy.typing as npt

from goalkit.configuration import between
from goalkit.export.runtime.damage import model_errors
from goalkit.export.runtime.labels import Label
from goalkit.export.runtime.loading import read_spec
from goalkit.export.updatable.rehearsal import checked_examples, predicted_labels

Array = npt.NDArray[np.float32]


@attrs.frozen(eq=False)
class CorrectionGate:
    """Decides for each text which of two heads answers: the updated one or the shipped one.

    A few dozen examples move a whole decision boundary, even where the user corrected nothing. The gate limits that: it is open
    for embeddings whose mean cosine similarity to the nearest corrections reaches a threshold. On the phone it needs only both
    heads and embeddings that the app keeps for training anyway.

    Cosines are meaningful only if embeddings are centred around zero: see `goalkit.training.standardize_embeddings`.

    Args:
        corrections: float32 [C, H], embeddings of texts that the shipped head got wrong. With none, it never opens.
        threshold: the smallest mean cosine at which it opens.
        nearest: how many corrections to average over; all, if there are fewer.
    """

    corrections: Array
    threshold: float = attrs.field(default=0.2, validator=between(-1, 1))
    nearest: int = attrs.field(default=3, validator=between(1, whole=True))

    @classmethod
    def around(cls, shipped: str | Path | Any, embeddings: npt.ArrayLike, labels: Sequence[Label], **settings: Any) -> Self:
        """Build a gate from those of a user's N examples that the shipped head gets wrong.

        Args:
            shipped: the head's `.mlmodel` file, or its protobuf message.
            embeddings: float32 [N, H], as the program outputs them.
            labels: the user's labels for them.
            settings: `threshold` and `nearest`.

        Raises:
            TrainingError: there are no examples, they do not fit the head, or are not finite.
            RuntimeModelError: the file is missing or damaged.
        """
        points = np.asarray(embeddings, np.float32)
        with model_errors(str(shipped) if isinstance(shipped, str | Path) else "the head"):
            spec = read_spec(Path(shipped)) if isinstance(shipped, str | Path) else shipped
            points = checked_examples(spec, points, labels)
            wrong = predicted_labels(spec, points) != np.array(labels)
        return cls(points[wrong], **settings)

    def opens(self, embeddings: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Whether the updated head answers, bool [N], for embeddings, float32 [N, H]."""
        points = np.asarray(embeddings, np.float32)
        if not len(self.corrections):
            return np.zeros(len(points), bool)
        cosines = np.sort(_directions(points) @ _directions(self.corrections).T, axis=1)
        opened: npt.NDArray[np.bool_] = cosines[:, -self.nearest :].mean(1) >= self.threshold
        return opened


def _directions(vectors: Array) -> Array:
    found: Array = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return found
