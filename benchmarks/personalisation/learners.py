"""The strategies that are compared: each makes, of what a user corrected, something that labels embeddings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from goalkit.export import rehearse_update
from goalkit.export.runtime.loading import executable

Vectors = npt.NDArray[np.float32]
Predictor = Callable[[Vectors], npt.NDArray[np.str_]]


@attrs.frozen
class Examples:
    """N embeddings, float32 [N, H], and their N labels."""

    vectors: Vectors
    labels: list[str]

    def __add__(self, other: Examples) -> Examples:
        return Examples(np.concatenate([self.vectors, other.vectors]), self.labels + other.labels)

    def accuracy(self, predictor: Predictor, rows: npt.NDArray[np.bool_] | None = None) -> float:
        """Share of right labels, of all examples or of the rows named."""
        right = predictor(self.vectors) == np.array(self.labels)
        return float(np.mean(right if rows is None else right[rows]))


@attrs.frozen
class Strategy:
    """A way to learn: what it may be set to, and how it learns with a setting, once a seed."""

    settings: Sequence[dict[str, Any]]
    learn: Callable[[Examples, dict[str, Any], int], list[Predictor]]


def labelled_by(spec: Any) -> Predictor:
    """What a saved head answers."""
    model = executable(spec)
    known = np.array(model.labels)  # type: ignore[attr-defined]

    def answer(vectors: Vectors) -> npt.NDArray[np.str_]:
        (probabilities,) = model.predict_many(dict.fromkeys(model.inputs, vectors), batch_size=512).values()
        answers: npt.NDArray[np.str_] = known[probabilities.argmax(1)]
        return answers

    return answer


def no_update(spec: Any) -> Strategy:
    """The head as it was shipped."""
    return Strategy([{}], lambda corrected, setting, seeds: [labelled_by(spec)])


def head_update(spec: Any, replayed: Examples | None) -> Strategy:
    """What `MLUpdateTask` does with a saved head, rehearsed; the replayed examples are mixed in."""
    settings = [
        {"epochs": epochs, "learningRate": rate} for epochs in (5, 10, 20, 50) for rate in (0.003, 0.01, 0.03, 0.1, 0.3)
    ]

    def learn(corrected: Examples, setting: dict[str, Any], seeds: int) -> list[Predictor]:
        examples = corrected if replayed is None else corrected + replayed
        rehearsal = rehearse_update(spec, examples.vectors, examples.labels, parameters=setting, seeds=seeds)
        return [labelled_by(update.spec) for update in rehearsal.updates]

    return Strategy(settings, learn)


def neighbours(spec: Any) -> Strategy:
    """A nearest-neighbours head that is given the corrections; it holds the replayed examples already, or nothing."""

    def learn(corrected: Examples, setting: dict[str, Any], seeds: int) -> list[Predictor]:
        (update,) = rehearse_update(spec, corrected.vectors, corrected.labels, parameters=setting).updates
        return [labelled_by(update.spec)]

    return Strategy([{"numberOfNeighbors": count} for count in (1, 3, 5, 9)], learn)


def retrained(replayed: Examples | None) -> Strategy:
    """A linear model fitted anew, which Core ML cannot do on the phone: what could be had."""

    def learn(corrected: Examples, setting: dict[str, Any], seeds: int) -> list[Predictor]:
        from sklearn.linear_model import LogisticRegression

        examples = corrected if replayed is None else corrected + replayed
        fitted = LogisticRegression(C=setting["C"], max_iter=2000).fit(examples.vectors, examples.labels)
        return [fitted.predict]

    return Strategy([{"C": strength} for strength in (0.001, 0.01, 0.1, 1.0, 10.0)], learn)
