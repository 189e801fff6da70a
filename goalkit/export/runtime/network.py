"""Executing a neural-network classifier: the layers that an updatable head is made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from goalkit.errors import RuntimeModelError, UnsupportedOperationError
from goalkit.export.runtime.interface import Arrays, Feature, RuntimeModel


class NeuralNetworkClassifier(RuntimeModel):
    """A chain of fully connected layers that ends in a softmax, in float32 as Core ML holds it.

    `predict` gives an array of the probabilities in the order of `labels` (Core ML hands apps a dictionary).
    """

    def __init__(self, spec: Any) -> None:
        super().__init__(spec.description)
        network = spec.neuralNetworkClassifier
        self.labels = tuple(network.stringClassLabels.vector)
        self.layers = list(network.layers)
        for layer in self.layers:
            kind = layer.WhichOneof("layer")
            if kind == "innerProduct":
                inner = layer.innerProduct
                if len(inner.weights.floatValue) != inner.inputChannels * inner.outputChannels:
                    raise RuntimeModelError(f"layer {layer.name} lacks weights: restore the file or export again")
            elif kind != "softmax" and not (kind == "activation" and layer.activation.HasField("ReLU")):
                raise UnsupportedOperationError(f"the runtime does not know the layer {layer.name} of kind {kind}")
        self.probabilities = spec.description.predictedProbabilitiesName
        self.outputs = {self.probabilities: Feature(self.probabilities, (len(self.labels),), np.float32)}

    def _execute(self, inputs: Arrays) -> Arrays:
        values: dict[str, npt.NDArray[np.float32]] = {name: array.astype(np.float32) for name, array in inputs.items()}
        for layer in self.layers:
            values[layer.output[0]] = _apply(layer, values[layer.input[0]])
        return {self.probabilities: values[self.layers[-1].output[0]]}


def _apply(layer: Any, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    kind = layer.WhichOneof("layer")
    if kind == "innerProduct":
        inner = layer.innerProduct
        weight = np.array(inner.weights.floatValue, np.float32).reshape(inner.outputChannels, inner.inputChannels)
        bias = np.array(inner.bias.floatValue, np.float32) if inner.hasBias else np.float32(0)
        return x @ weight.T + bias
    if kind == "softmax":
        shifted = np.exp(x - x.max(axis=-1, keepdims=True))
        normalised: npt.NDArray[np.float32] = shifted / shifted.sum(axis=-1, keepdims=True)
        return normalised
    return np.maximum(x, np.float32(0))
