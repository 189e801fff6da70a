"""The strategies that are compared: each makes, of what a user corrected, something that labels embeddings."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from goalkit.export import CorrectionGate, rehearse_update
from goalkit.export.updatable.rehearsal import predicted_labels

Vectors = npt.NDArray[np.float32]
Predictor = Callable[[Vectors], npt.NDArray[np.str_]]


@attrs.frozen(eq=False)
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
    return _remembered(functools.partial(predicted_labels, spec))


def _remembered(function: Callable[[Vectors], Any]) -> Callable[[Vectors], Any]:
    """The same function, which answers an array that it has seen before from memory."""
    answers: dict[int, tuple[Vectors, Any]] = {}

    def remembering(vectors: Vectors) -> Any:
        if id(vectors) not in answers:
            answers[id(vectors)] = vectors, function(vectors)
        return answers[id(vectors)][1]

    return remembering


def no_update(spec: Any) -> Strategy:
    """The head as it was shipped."""
    return Strategy([{}], lambda corrected, setting, seeds: [labelled_by(spec)])


def head_updates(spec: Any, replayed: Examples | None) -> tuple[Strategy, Strategy]:
    """What `MLUpdateTask` does with a saved head, rehearsed: the updated head alone, and gated.

    The replayed examples are mixed in, and each correction counts several times among them.
    """
    times = (1,) if replayed is None else (1, 3)
    grid = [
        {"times": count, "epochs": epochs, "learningRate": rate}
        for count, epochs, rate in itertools.product(times, (5, 10, 20), (0.0003, 0.001, 0.003, 0.01))
    ]

    shipped = labelled_by(spec)

    @functools.cache
    def updates(corrected: Examples, times: int, epochs: int, rate: float, seeds: int) -> list[Predictor]:
        repeated = Examples(np.tile(corrected.vectors, (times, 1)), corrected.labels * times)
        examples = repeated if replayed is None else repeated + replayed
        parameters = {"epochs": epochs, "learningRate": rate}
        rehearsal = rehearse_update(spec, examples.vectors, examples.labels, parameters=parameters, seeds=seeds)
        return [labelled_by(update.spec) for update in rehearsal.updates]

    def learn(corrected: Examples, setting: dict[str, Any], seeds: int) -> list[Predictor]:
        return updates(corrected, setting["times"], setting["epochs"], setting["learningRate"], seeds)

    @functools.cache
    def gate(corrected: Examples, threshold: float, nearest: int) -> Callable[[Vectors], npt.NDArray[np.bool_]]:
        limits = {"threshold": threshold, "nearest": nearest}
        return _remembered(CorrectionGate.around(spec, corrected.vectors, corrected.labels, **limits).opens)

    def learn_gated(corrected: Examples, setting: dict[str, Any], seeds: int) -> list[Predictor]:
        opens = gate(corrected, setting["threshold"], setting["nearest"])
        return [_gated(opens, updated, shipped) for updated in learn(corrected, setting, seeds)]

    gates = [{"threshold": limit, "nearest": count} for limit, count in itertools.product((0.1, 0.2, 0.3), (1, 3))]
    return Strategy(grid, learn), Strategy([{**one, **gate} for one in grid for gate in gates], learn_gated)


def _gated(opens: Callable[[Vectors], npt.NDArray[np.bool_]], updated: Predictor, shipped: Predictor) -> Predictor:
    return lambda vectors: np.where(opens(vectors), updated(vectors), shipped(vectors))


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
