"""The compared strategies: each turns a user's corrections into a function that labels embeddings."""

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
        """Return the share of correct labels, of all examples or of the given rows."""
        right = predictor(self.vectors) == np.array(self.labels)
        return float(np.mean(right if rows is None else right[rows]))


@attrs.frozen
class Strategy:
    """A way to learn: its possible settings, and a function that learns with one of them, once per seed."""

    settings: Sequence[dict[str, Any]]
    learn: Callable[[Examples, dict[str, Any], int], list[Predictor]]


def labelled_by(spec: Any) -> Predictor:
    """Return the predictor of a saved head."""
    return _cached(functools.partial(predicted_labels, spec))


def _cached(function: Callable[[Vectors], Any]) -> Callable[[Vectors], Any]:
    """Return the same function with a cache of its results, by array."""
    answers: dict[int, tuple[Vectors, Any]] = {}

    def cached(vectors: Vectors) -> Any:
        if id(vectors) not in answers:
            answers[id(vectors)] = vectors, function(vectors)
        return answers[id(vectors)][1]

    return cached


def no_update(spec: Any) -> Strategy:
    """Keep the shipped head."""
    return Strategy([{}], lambda corrected, setting, seeds: [labelled_by(spec)])


def head_updates(spec: Any, replayed: Examples | None) -> tuple[Strategy, Strategy]:
    """Rehearse what `MLUpdateTask` does with a saved head: the updated head alone, and gated.

    The replayed examples are mixed in, and each correction may be repeated several times.
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
        return _cached(CorrectionGate.around(spec, corrected.vectors, corrected.labels, **limits).opens)

    def learn_gated(corrected: Examples, setting: dict[str, Any], seeds: int) -> list[Predictor]:
        opens = gate(corrected, setting["threshold"], setting["nearest"])
        return [_gated(opens, updated, shipped) for updated in learn(corrected, setting, seeds)]

    gates = [{"threshold": limit, "nearest": count} for limit, count in itertools.product((0.1, 0.2, 0.3), (1, 3))]
    return Strategy(grid, learn), Strategy([{**one, **gate} for one in grid for gate in gates], learn_gated)


def _gated(opens: Callable[[Vectors], npt.NDArray[np.bool_]], updated: Predictor, shipped: Predictor) -> Predictor:
    return lambda vectors: np.where(opens(vectors), updated(vectors), shipped(vectors))


def neighbours(spec: Any) -> Strategy:
    """Add the corrections to a nearest-neighbours head, which already contains the replayed examples, or none."""

    def learn(corrected: Examples, setting: dict[str, Any], seeds: int) -> list[Predictor]:
        (update,) = rehearse_update(spec, corrected.vectors, corrected.labels, parameters=setting).updates
        return [labelled_by(update.spec)]

    return Strategy([{"numberOfNeighbors": count} for count in (1, 3, 5, 9)], learn)


def retrained(replayed: Examples | None) -> Strategy:
    """Fit a new linear model, which Core ML cannot do on the phone, as a reference."""

    def learn(corrected: Examples, setting: dict[str, Any], seeds: int) -> list[Predictor]:
        from sklearn.linear_model import LogisticRegression

        examples = corrected if replayed is None else corrected + replayed
        fitted = LogisticRegression(C=setting["C"], max_iter=2000).fit(examples.vectors, examples.labels)
        return [fitted.predict]

    return Strategy([{"C": strength} for strength in (0.001, 0.01, 0.1, 1.0, 10.0)], learn)
