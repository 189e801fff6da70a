"""Core ML's rules for the weights of a layer (NeuralNetworkLayerValidator.cpp, QuantizationValidationUtils.cpp)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

FORMS = ("floatValue", "float16Value", "rawValue", "int8RawValue")


def weight_errors(layer: Any) -> Iterator[str]:
    """Check the weights of an inner product, a convolution or a batch normalisation.

    Core ML's validator accepts an inner product without weights; here it is an error, as it computes nothing.
    """
    kind = layer.WhichOneof("layer")
    message = getattr(layer, kind)
    if kind == "innerProduct":
        yield from _matrix(layer.name, message, message.inputChannels * message.outputChannels)
    elif kind == "convolution" and len(layer.input) == 1:
        height, width = [*message.kernelSize, 3, 3][:2]
        outputs = message.outputChannels
        if message.isDeconvolution:
            outputs //= message.nGroups or 1
        yield from _matrix(layer.name, message, outputs * message.kernelChannels * height * width)
    elif kind == "batchnorm":
        names = ("gamma", "beta") if message.computeMeanVar else ("gamma", "beta", "mean", "variance")
        for name in names:
            yield from _numbers(f"{name} of layer {layer.name}", getattr(message, name), message.channels, 1)
        yield from _one_precision(layer.name, [getattr(message, name) for name in ("gamma", "beta", "mean", "variance")])


def _matrix(name: str, message: Any, count: int) -> Iterator[str]:
    yield from _numbers(f"weights of layer {name}", message.weights, count, message.outputChannels)
    if message.hasBias:
        yield from _numbers(f"bias of layer {name}", message.bias, message.outputChannels, 1)
        yield from _one_precision(name, [message.weights, message.bias])


def _one_precision(name: str, weights: list[Any]) -> Iterator[str]:
    if any(each.floatValue for each in weights) and any(each.float16Value for each in weights):
        yield f"layer {name} has weights in both single and half precision"


def _numbers(owner: str, weights: Any, count: int, channels: int) -> Iterator[str]:
    forms = [form for form in FORMS if getattr(weights, form)]
    if len(forms) > 1:
        yield f"{owner}: given in several forms: {', '.join(forms)}"
    elif not forms:
        yield f"{owner}: there are none"
    elif forms[0] in ("floatValue", "float16Value"):
        found = len(weights.floatValue) or len(weights.float16Value) // 2
        if found != count:
            yield f"{owner}: {found} numbers, {count} are needed"
    else:
        yield from _quantised(owner, weights, len(getattr(weights, forms[0])), count, channels)


def _quantised(owner: str, weights: Any, found: int, count: int, channels: int) -> Iterator[str]:
    quantisation = weights.quantization
    bits = quantisation.numberOfBits
    needed = -(-bits * count // 8)
    linear, table = quantisation.linearQuantization, quantisation.lookupTableQuantization
    if not 1 <= bits <= 8:
        yield f"{owner}: quantised to {bits} bits, 1 to 8 are possible"
    elif found < needed:
        yield f"{owner}: {found} bytes, {needed} are needed"
    elif quantisation.HasField("lookupTableQuantization"):
        if len(table.floatValue) != 2**bits:
            yield f"{owner}: a table of {len(table.floatValue)} numbers for {bits} bits"
    elif not quantisation.HasField("linearQuantization"):
        yield f"{owner}: quantised neither linearly nor by a table"
    elif len(linear.scale) not in (1, channels) or len(linear.bias) not in (0, len(linear.scale)):
        yield f"{owner}: {len(linear.scale)} scales and {len(linear.bias)} offsets for {channels} channels"
