"""Executing a k-nearest-neighbours classifier."""

from __future__ import annotations

from typing import Any

import numpy as np

from goalkit.errors import RuntimeModelError
from goalkit.export.runtime.interface import Arrays, Feature, RuntimeModel
from goalkit.export.runtime.network import class_labels


class NearestNeighboursClassifier(RuntimeModel):
    """Votes of the nearest examples, by squared Euclidean distance (NearestNeighbors.proto).

    `predict` gives an array of the shares of the votes in the order of `labels`, those of its examples in the order of their
    first appearance; without an example the default label has them all. Votes are equal, or weigh 1 / distance; of an example
    at no distance, that is bounded by 1e6.
    """

    def __init__(self, spec: Any) -> None:
        super().__init__(spec.description)
        classifier = spec.kNearestNeighborsClassifier
        index = classifier.nearestNeighborsIndex
        given = class_labels(classifier)
        if len(given) != len(index.floatSamples):
            raise RuntimeModelError(f"there are {len(index.floatSamples)} neighbours and {len(given)} labels: export again")
        self.labels = tuple(dict.fromkeys(given)) or (classifier.defaultStringLabel or str(classifier.defaultInt64Label),)
        self.votes = np.array([self.labels.index(label) for label in given], np.int64)
        self.neighbours = np.array([sample.vector for sample in index.floatSamples], np.float32)
        self.count = int(classifier.numberOfNeighbors.defaultValue)
        self.inverse = classifier.WhichOneof("WeightingScheme") == "inverseDistanceWeighting"
        self.probabilities = spec.description.predictedProbabilitiesName
        self.outputs = {self.probabilities: Feature(self.probabilities, (len(self.labels),), np.float32)}

    def _execute(self, inputs: Arrays) -> Arrays:
        (points,) = inputs.values()
        if not len(self.votes):
            return {self.probabilities: np.ones((len(points), 1), np.float32)}
        distances = ((points[:, None, :] - self.neighbours[None]) ** 2).sum(-1)
        nearest = np.argsort(distances, axis=1, kind="stable")[:, : self.count]
        weights = 1 / np.maximum(np.take_along_axis(distances, nearest, 1), 1e-6) if self.inverse else np.ones(nearest.shape)
        shares = np.zeros((len(points), len(self.labels)))
        rows = np.repeat(np.arange(len(points)), nearest.shape[1])
        np.add.at(shares, (rows, self.votes[nearest].ravel()), weights.ravel())
        return {self.probabilities: (shares / shares.sum(1, keepdims=True)).astype(np.float32)}
