"""Heads before and after training, the decisions of gates, and the statistics of comparisons."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from scipy import stats
from scipy.special import comb

from goalkit import UpdatableHeadBuilder
from goalkit.export import Bundle, CorrectionGate, rehearse_update
from goalkit.export.package import model_bytes
from goalkit.export.runtime.labels import class_labels
from goalkit.export.runtime.loading import executable
from goalkit.model import GoalModel

TRAININGS: list[tuple[dict[str, Any], dict[str, float]]] = [
    ({"task": "category"}, {}),
    ({"task": "category", "spare_slots": 2, "batch_size": 32, "epochs": 5}, {"learningRate": 0.001}),
    ({"task": "difficulty", "momentum": 0.5, "batch_size": 1}, {"epochs": 2}),
    ({"task": "completion", "optimizer": "adam", "learning_rate": 0.001}, {}),
    ({"task": "category", "hidden_size": 16, "seed": 3}, {"learningRate": 0.003}),
    ({"task": "difficulty", "hidden_size": 12, "optimizer": "adam", "learning_rate": 0.0003}, {"miniBatchSize": 4}),
]
"""Settings of the builder, and parameters that an app chooses."""


def heads(bundle: Bundle) -> list[dict[str, Any]]:
    """Return heads with their probabilities for the golden embeddings, and what they have learned from some of them."""
    model = bundle.source
    assert isinstance(model, GoalModel)
    embeddings = bundle.golden.embeddings
    found = []
    for seed, (settings, parameters) in enumerate(TRAININGS):
        spec = UpdatableHeadBuilder(**settings).build(model).spec
        known = class_labels(spec.neuralNetworkClassifier)
        labels = np.random.default_rng(seed).choice(known, 22).tolist()
        update = rehearse_update(spec, embeddings[:22], labels, parameters=parameters, seeds=1).updates[0]
        order = np.random.default_rng(update.seed)
        found.append(
            {
                "file": base64.b64encode(model_bytes(spec)).decode(),
                "labels": known,
                "taught": labels,
                "parameters": parameters,
                "orders": [order.permutation(22).tolist() for _ in update.losses],
                "losses": update.losses,
                "before": _probabilities(spec, embeddings),
                "after": _probabilities(update.spec, embeddings),
                "weights": [array for layer in update.spec.neuralNetworkClassifier.layers for array in _weights(layer)],
            }
        )
    return found


def _probabilities(spec: Any, embeddings: Any) -> list[list[float]]:
    model = executable(spec)
    answers = model.predict_many(dict.fromkeys(model.inputs, embeddings))["probabilities"]
    return np.asarray(answers).tolist()


def _weights(layer: Any) -> list[list[float]]:
    if layer.WhichOneof("layer") != "innerProduct":
        return []
    return [list(layer.innerProduct.weights.floatValue), list(layer.innerProduct.bias.floatValue)]


def gates(bundle: Bundle) -> list[dict[str, Any]]:
    """Return corrections and questions in few dimensions, with what gates of various settings say."""
    generator = np.random.default_rng(0)
    found = []
    for case in range(60):
        size = int(generator.integers(0, 12))
        points = generator.normal(size=(size, 4)).astype(np.float32)
        asked = np.concatenate([generator.normal(size=(30, 4)), np.zeros((1, 4))]).astype(np.float32)
        settings = {"threshold": float(np.round(generator.uniform(-1, 1), 3)), "nearest": case % 5 + 1}
        opened = CorrectionGate(points, **settings).opens(asked)
        found.append({**settings, "corrections": points.tolist(), "asked": asked.tolist(), "opens": opened.tolist()})
    return found


def evidence(bundle: Bundle) -> list[dict[str, Any]]:
    """Return numbers of wins and losses with e-values, mid-p values and Wilson intervals, as scipy computes them."""
    found = []
    for wins, losses in [(0, 0), (1, 0), (8, 0), (0, 8), (7, 0), (5, 5), (19, 6), (70, 30), (300, 250), (3, 900)]:
        count = wins + losses
        exact = min(2 * stats.binom.cdf(min(wins, losses), count, 0.5), 1)
        interval = stats.binomtest(wins, count).proportion_ci(method="wilson") if count else (0, 1)
        found.append(
            {
                "wins": wins,
                "losses": losses,
                "value": 2**count / ((count + 1) * comb(count, wins, exact=True)),
                "midP": float(exact - stats.binom.pmf(min(wins, losses), count, 0.5)),
                "interval": [float(interval[0]), float(interval[1])],
            }
        )
    return found
