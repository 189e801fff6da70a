"""Executes neural-network classifiers with the layers of an updatable head."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from goalkit.errors import UnsupportedOperationError
from goalkit.export.runtime.classifier import ClassifierModel
from goalkit.export.runtime.interface import Arrays
from goalkit.export.runtime.labels import class_labels
from goalkit.export.runtime.weights import read_weights

Array = npt.NDArray[np.float32]


@attrs.define(eq=False)
class InnerProduct:
    """x Wᵀ + b, with `weight`, float32 [out, in], and `bias`, float32 [out]."""

    name: str
    weight: Array
    bias: Array
    updatable: bool

    def forward(self, x: Array) -> Array:
        """Map [N, in] to [N, out]."""
        return x @ self.weight.T + self.bias


@attrs.frozen
class ReLU:
    """max(x, 0)."""

    name: str

    def forward(self, x: Array) -> Array:
        """Map [N, units] to [N, units]."""
        return np.maximum(x, np.float32(0))


@attrs.frozen
class Softmax:
    """exp(x) divided by its sum, per row."""

    name: str

    def forward(self, x: Array) -> Array:
        """Map logits to probabilities, both [N, labels]."""
        shifted = np.exp(x - x.max(axis=-1, keepdims=True))
        normalised: Array = shifted / shifted.sum(axis=-1, keepdims=True)
        return normalised


Layer = InnerProduct | ReLU | Softmax


class NeuralNetworkClassifier(ClassifierModel):
    """A chain of fully connected layers that ends in a softmax, in float32 as in Core ML."""

    def __init__(self, spec: Any) -> None:
        super().__init__(spec.description, class_labels(spec.neuralNetworkClassifier))
        self.layers = read_layers(spec.neuralNetworkClassifier, list(self.inputs))

    def _probabilities(self, inputs: Arrays) -> Array:
        (values,) = (array.astype(np.float32) for array in inputs.values())
        for layer in self.layers:
            values = layer.forward(values)
        return values


def read_layers(network: Any, inputs: list[str]) -> list[Layer]:
    """Read the layers of a network's protobuf message, which has one input.

    Raises:
        RuntimeModelError: a layer lacks weights.
        UnsupportedOperationError: a layer is of an unsupported kind, or the layers are not a chain.
    """
    layers: list[Layer] = []
    blobs = inputs
    for layer in network.layers:
        if list(layer.input) != blobs or len(layer.output) != 1:
            raise UnsupportedOperationError(
                f"the layer {layer.name} takes {', '.join(layer.input)} instead of the preceding {', '.join(blobs)}: "
                "the runtime executes only chains of layers"
            )
        blobs = list(layer.output)
        layers.append(_read_layer(layer))
    return layers


def _read_layer(layer: Any) -> Layer:
    kind = layer.WhichOneof("layer")
    if kind == "innerProduct":
        inner = layer.innerProduct
        if inner.int8DynamicQuantize:
            raise UnsupportedOperationError(
                f"layer {layer.name} quantises its input (int8DynamicQuantize), which the runtime does not support: "
                "quantise only the weights"
            )
        rows, columns = int(inner.outputChannels), int(inner.inputChannels)
        weight = read_weights(f"the weights of layer {layer.name}", inner.weights, rows, columns)
        bias = np.zeros(rows, np.float32)
        if inner.hasBias:
            bias = read_weights(f"the bias of layer {layer.name}", inner.bias, rows, 1)[:, 0]
        return InnerProduct(layer.name, weight, bias, layer.isUpdatable)
    if kind == "softmax":
        return Softmax(layer.name)
    if kind == "activation" and layer.activation.HasField("ReLU"):
        return ReLU(layer.name)
    raise UnsupportedOperationError(f"the runtime does not know the layer {layer.name} of kind {kind}")
