"""Executing a neural-network classifier: the layers that an updatable head is made of."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from goalkit.errors import RuntimeModelError, UnsupportedOperationError
from goalkit.export.runtime.interface import Arrays, Feature, RuntimeModel

Array = npt.NDArray[np.float32]


@attrs.define(eq=False)
class InnerProduct:
    """x Wᵀ + b, with `weight`, float32 [out, in], and `bias`, float32 [out]."""

    name: str
    weight: Array
    bias: Array
    updatable: bool

    def forward(self, x: Array) -> Array:
        """[N, in] to [N, out]."""
        return x @ self.weight.T + self.bias


@attrs.frozen
class ReLU:
    """max(x, 0)."""

    name: str

    def forward(self, x: Array) -> Array:
        """[N, units] to the same."""
        return np.maximum(x, np.float32(0))


@attrs.frozen
class Softmax:
    """exp(x) over its sum, of each row."""

    name: str

    def forward(self, x: Array) -> Array:
        """[N, labels] to probabilities."""
        shifted = np.exp(x - x.max(axis=-1, keepdims=True))
        normalised: Array = shifted / shifted.sum(axis=-1, keepdims=True)
        return normalised


Layer = InnerProduct | ReLU | Softmax


class NeuralNetworkClassifier(RuntimeModel):
    """A chain of fully connected layers that ends in a softmax, in float32 as Core ML holds it.

    `predict` gives an array of the probabilities in the order of `labels` (Core ML hands apps a dictionary).
    """

    def __init__(self, spec: Any) -> None:
        super().__init__(spec.description)
        network = spec.neuralNetworkClassifier
        self.labels = class_labels(network)
        self.layers = read_layers(network, [feature.name for feature in spec.description.input])
        self.probabilities = spec.description.predictedProbabilitiesName
        self.outputs = {self.probabilities: Feature(self.probabilities, (len(self.labels),), np.float32)}

    def _execute(self, inputs: Arrays) -> Arrays:
        (values,) = (array.astype(np.float32) for array in inputs.values())
        for layer in self.layers:
            values = layer.forward(values)
        return {self.probabilities: values}


def class_labels(classifier: Any) -> tuple[str, ...]:
    """The labels of a classifier's protobuf message, in order; numbers as strings."""
    return tuple(classifier.stringClassLabels.vector) or tuple(map(str, classifier.int64ClassLabels.vector))


def read_layers(network: Any, inputs: list[str]) -> list[Layer]:
    """The layers of a network's protobuf message, whose one input is named.

    Raises:
        RuntimeModelError: a layer lacks weights.
        UnsupportedOperationError: a layer is of a kind that the runtime does not know, or the layers are no chain.
    """
    layers: list[Layer] = []
    blobs = inputs
    for layer in network.layers:
        if list(layer.input) != blobs or len(layer.output) != 1:
            raise UnsupportedOperationError(f"the layer {layer.name} is not one of a chain, which is all the runtime executes")
        blobs = list(layer.output)
        layers.append(_read_layer(layer))
    return layers


def _read_layer(layer: Any) -> Layer:
    kind = layer.WhichOneof("layer")
    if kind == "innerProduct":
        inner = layer.innerProduct
        shape = (int(inner.outputChannels), int(inner.inputChannels))
        if len(inner.weights.floatValue) != shape[0] * shape[1] or (inner.hasBias and len(inner.bias.floatValue) != shape[0]):
            raise RuntimeModelError(f"layer {layer.name} lacks weights: restore the file or export again")
        weight = np.array(inner.weights.floatValue, np.float32).reshape(shape)
        bias = np.array(inner.bias.floatValue, np.float32) if inner.hasBias else np.zeros(shape[0], np.float32)
        return InnerProduct(layer.name, weight, bias, layer.isUpdatable)
    if kind == "softmax":
        return Softmax(layer.name)
    if kind == "activation" and layer.activation.HasField("ReLU"):
        return ReLU(layer.name)
    raise UnsupportedOperationError(f"the runtime does not know the layer {layer.name} of kind {kind}")
