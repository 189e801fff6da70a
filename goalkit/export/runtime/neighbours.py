"""Executes a k-nearest-neighbours classifier."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from goalkit.errors import RuntimeModelError
from goalkit.export.runtime.classifier import ClassifierModel
from goalkit.export.runtime.interface import Arrays
from goalkit.export.runtime.labels import class_labels


class NearestNeighboursClassifier(ClassifierModel):
    """Voting of the nearest examples, by squared Euclidean distance (NearestNeighbors.proto).

    Probabilities are shares of the votes. `labels` are those of the examples in order of first appearance; without examples the
    default label gets all votes. Votes are equal or weighted by 1 / distance, at most 1e6.
    """

    def __init__(self, spec: Any) -> None:
        classifier = spec.kNearestNeighborsClassifier
        index = classifier.nearestNeighborsIndex
        given = class_labels(classifier)
        if len(given) != len(index.floatSamples):
            raise RuntimeModelError(f"there are {len(index.floatSamples)} neighbours and {len(given)} labels: export again")
        fallback = getattr(classifier, classifier.WhichOneof("DefaultClassLabel") or "defaultStringLabel")
        super().__init__(spec.description, tuple(dict.fromkeys(given)) or (fallback,))
        self.votes = np.array([self.labels.index(label) for label in given], np.int64)
        self.neighbours = np.array([sample.vector for sample in index.floatSamples], np.float32)
        self.count = int(classifier.numberOfNeighbors.defaultValue)
        self.inverse = classifier.WhichOneof("WeightingScheme") == "inverseDistanceWeighting"

    def _probabilities(self, inputs: Arrays) -> npt.NDArray[np.float32]:
        (points,) = inputs.values()
        if not len(self.votes):
            return np.ones((len(points), 1), np.float32)
        distances = ((points[:, None, :] - self.neighbours[None]) ** 2).sum(-1)
        nearest = np.argsort(distances, axis=1, kind="stable")[:, : self.count]
        weights = 1 / np.maximum(np.take_along_axis(distances, nearest, 1), 1e-6) if self.inverse else np.ones(nearest.shape)
        shares = np.zeros((len(points), len(self.labels)))
        rows = np.repeat(np.arange(len(points)), nearest.shape[1])
        np.add.at(shares, (rows, self.votes[nearest].ravel()), weights.ravel())
        found: npt.NDArray[np.float32] = (shares / shares.sum(1, keepdims=True)).astype(np.float32)
        return found
