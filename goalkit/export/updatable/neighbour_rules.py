"""Core ML's rules for a nearest-neighbours classifier (KNearestNeighborsClassifierValidator.cpp)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from goalkit.export.updatable.parameters import integer_errors


def count(spec: Any) -> Iterator[str]:
    """The number of neighbours, and the values that an app may choose instead, are positive."""
    yield from integer_errors("numberOfNeighbors", spec.kNearestNeighborsClassifier.numberOfNeighbors)


def votes(spec: Any) -> Iterator[str]:
    """The weighting of the votes is given, and the label in the absence of neighbours."""
    classifier = spec.kNearestNeighborsClassifier
    if classifier.WhichOneof("WeightingScheme") is None:
        yield "there is no weighting scheme"
    given, default = classifier.WhichOneof("ClassLabels"), classifier.WhichOneof("DefaultClassLabel")
    if default is None and not (classifier.stringClassLabels.vector or classifier.int64ClassLabels.vector):
        yield "there are neither labels nor a default label"
    if given and default and given[:5] != default.removeprefix("default").lower()[:5]:
        yield "the default label does not have the type of the labels"


def index(spec: Any) -> Iterator[str]:
    """Examples, labels and search index are consistent."""
    classifier = spec.kNearestNeighborsClassifier
    found = classifier.nearestNeighborsIndex
    labels = max(len(classifier.stringClassLabels.vector), len(classifier.int64ClassLabels.vector))
    if len(found.floatSamples) != labels:
        yield f"there are {len(found.floatSamples)} examples and {labels} labels"
    if any(len(sample.vector) != found.numberOfDimensions for sample in found.floatSamples):
        yield f"an example does not have {found.numberOfDimensions} dimensions"
    kind = found.WhichOneof("IndexType")
    if kind is None:
        yield "there is no index type"
    elif kind == "singleKdTreeIndex" and found.singleKdTreeIndex.leafSize <= 0:
        yield "the leaf size of the tree is not positive"
    if found.WhichOneof("DistanceFunction") is None:
        yield "there is no distance function"
