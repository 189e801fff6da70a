"""Core ML's rules for the layers of a neural network, updatable or not (NeuralNetworkValidator.cpp and its layers)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from goalkit.export.updatable.weight_rules import weight_errors

INPUT_COUNTS = {
    "convolution": (1, 2),
    "innerProduct": (1, 1),
    "batchnorm": (1, 1),
    "activation": (1, 1),
    "pooling": (1, 1),
    "softmax": (1, 1),
    "flatten": (1, 1),
    "uniDirectionalLSTM": (1, 3),
}
"""Number of inputs per kind of layer, for the kinds that a model may be trained through."""
RANKS = {
    "convolution": (4, math.inf),
    "innerProduct": (1, 5),
    "batchnorm": (3, math.inf),
    "pooling": (4, math.inf),
    "softmax": (3, math.inf),
    "flatten": (3, math.inf),
    "uniDirectionalLSTM": (5, 5),
}
"""Smallest and largest rank of the inputs and outputs per kind of layer, for networks with exact ranks."""
PADDED = {"convolution": "ConvolutionPaddingType", "pooling": "PoolingPaddingType"}
OLD_KINDS = frozenset({
    "convolution", "innerProduct", "batchnorm", "activation", "pooling", "padding", "concat", "lrn", "softmax", "split",
    "add", "multiply", "unary", "upsample", "bias", "l2normalize", "reshape", "flatten", "permute", "reduce",
    "loadConstant", "scale", "simpleRecurrent", "gru", "uniDirectionalLSTM", "biDirectionalLSTM", "crop", "average",
    "max", "min", "dot", "mvn", "embedding", "sequenceRepeat", "reorganizeData", "slice", "custom", "resizeBilinear",
    "cropResize",
})  # fmt: skip
"""Kinds of layers of iOS 12, which compute on blobs of rank 5 only."""


def network_of(spec: Any) -> Any:
    """Return the network inside the message of a neural network model."""
    return getattr(spec, spec.WhichOneof("Type"))


def kind_of(layer: Any) -> str:
    """Return the kind of a layer."""
    return layer.WhichOneof("layer") or "unknown"


def exact_ranks(spec: Any) -> bool:
    """Whether blobs have the declared ranks, instead of rank 5."""
    network = network_of(spec)
    return bool(network.arrayInputShapeMapping or network.imageInputShapeMapping or not all(map(_old, network.layers)))


def _old(layer: Any) -> bool:
    if kind_of(layer) == "convolution":
        return len(layer.input) == 1
    return kind_of(layer) in OLD_KINDS and not layer.innerProduct.int8DynamicQuantize


def shape_mapping(spec: Any) -> Iterator[str]:
    """Inputs have a form that the layers accept."""
    network = network_of(spec)
    arrays = [each for each in spec.description.input if each.type.HasField("multiArrayType")]
    if arrays and not network.arrayInputShapeMapping:
        if newer := sorted({kind_of(layer) for layer in network.layers if not _old(layer)}):
            yield f"arrays of rank 5 (RANK5_ARRAY_MAPPING) do not work with layers of iOS 13 or later: {', '.join(newer)}"
        elif network.imageInputShapeMapping:
            yield "arrays of rank 5 (RANK5_ARRAY_MAPPING) do not work with another mapping of images"
    for each in spec.description.input:
        kind = each.type.WhichOneof("Type")
        if kind not in ("multiArrayType", "imageType", "stateType"):
            yield f"input {each.name} is of type {kind}, but networks take only arrays and images"
    if spec.HasField("neuralNetwork"):
        for each in spec.description.output:
            kind = each.type.WhichOneof("Type")
            if kind not in ("multiArrayType", "imageType", "stateType"):
                yield f"output {each.name} is of type {kind}, but networks return only arrays and images"
    for each in arrays:
        rank = len(each.type.multiArrayType.shape)
        ranges = len(each.type.multiArrayType.shapeRange.sizeRanges)
        if not exact_ranks(spec) and rank not in (0, 1, 3):
            yield f"input {each.name} has rank {rank}, which must be 1 or 3 if arrays are mapped to rank 5"
        elif exact_ranks(spec) and (rank == 0 or ranges not in (0, rank)):
            yield f"input {each.name} has no default shape, or its number of size ranges differs from its number of axes"


def blobs(spec: Any) -> Iterator[str]:
    """Each layer takes only available blobs and outputs only new ones, and every output of the model is computed."""
    network, description = network_of(spec), spec.description
    if not network.layers:
        yield "there is no layer"
    known, made = {each.name for each in description.input}, set()
    for layer in network.layers:
        for name in sorted(set(layer.input) - known):
            yield f"layer {layer.name} takes {name}, which is neither an input nor the output of an earlier layer"
        if kind_of(layer) != "copy":
            for name in sorted(set(layer.output) & known):
                yield f"layer {layer.name} outputs {name}, which exists already"
        known |= set(layer.output)
        made |= set(layer.output)
    predicted = set()
    if spec.HasField("neuralNetworkClassifier"):
        predicted = {description.predictedFeatureName, description.predictedProbabilitiesName}
        if network.labelProbabilityLayerName and network.labelProbabilityLayerName not in made:
            yield f"labelProbabilityLayerName is {network.labelProbabilityLayerName}, which no layer outputs"
    if not spec.HasField("neuralNetworkRegressor"):
        for each in description.output:
            if each.name not in made | predicted:
                yield f"no layer computes the output {each.name}"


def layer_contents(spec: Any) -> Iterator[str]:
    """Each layer has the inputs, outputs, parameters and weights that its kind needs."""
    for layer in network_of(spec).layers:
        kind = kind_of(layer)
        if kind == "unknown":
            yield f"layer {layer.name} is of an unknown kind"
        if kind not in INPUT_COUNTS:
            continue
        low, high = INPUT_COUNTS[kind]
        outputs = 3 if kind == "uniDirectionalLSTM" else 1
        if not low <= len(layer.input) <= high or len(layer.output) != outputs:
            yield f"layer {layer.name} of kind {kind} has {len(layer.input)} inputs and {len(layer.output)} outputs"
        if kind in PADDED and getattr(layer, kind).WhichOneof(PADDED[kind]) is None:
            yield f"layer {layer.name} has no padding type"
        if kind == "activation" and layer.activation.WhichOneof("NonlinearityType") is None:
            yield f"layer {layer.name} has no activation"
        yield from weight_errors(layer)


def ranks(spec: Any) -> Iterator[str]:
    """In a network with exact ranks, the ranks of each blob are consistent and suit the layers."""
    if not exact_ranks(spec):
        return
    description = spec.description
    known = {
        each.name: len(each.type.multiArrayType.shape)
        for each in [*description.output, *description.input]
        if each.type.multiArrayType.shape
    }
    for layer in network_of(spec).layers:
        for names, tensors in ((layer.input, layer.inputTensor), (layer.output, layer.outputTensor)):
            if tensors and len(names) != len(tensors):
                yield f"layer {layer.name} declares {len(tensors)} ranks for {len(names)} blobs"
            for name, tensor in zip(names, tensors, strict=False):
                if tensor.dimValue and len(tensor.dimValue) != tensor.rank:
                    yield f"layer {layer.name} declares rank {tensor.rank} and {len(tensor.dimValue)} sizes for {name}"
                if known.setdefault(name, tensor.rank) != tensor.rank:
                    yield f"layer {layer.name} declares rank {tensor.rank} for {name}, which has rank {known[name]}"
        if kind_of(layer) in RANKS and layer.input and layer.output:
            low, high = RANKS[kind_of(layer)]
            found = [known[name] for name in (layer.input[0], layer.output[0]) if name in known]
            if len(set(found)) > 1 or not all(low <= rank <= high for rank in found):
                required = f"{low}" if low == high else f"{low} or more" if math.isinf(high) else f"{low} to {high}"
                yield (
                    f"layer {layer.name} of kind {kind_of(layer)} has blobs of rank {' and '.join(map(str, found))}: "
                    f"both must have the same rank, {required}"
                )
