"""Teachers: what a model can be distilled from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt


@runtime_checkable
class Embedder(Protocol):
    """Embeds texts, with any vocabulary and width; a `GoalModel` does."""

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Compute embeddings of N texts, float32 [N, K]."""


@runtime_checkable
class Predictor(Protocol):
    """Predicts tasks; a `GoalModel` does."""

    def predict_probabilities(self, texts: Sequence[str]) -> dict[str, npt.NDArray[np.float32]]:
        """Compute probabilities of N texts, float32 [N, labels] per task."""


Teacher = Embedder | Predictor
