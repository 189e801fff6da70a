"""Weights of a neural network (`WeightParams` in NeuralNetwork.proto): in float32, half precision, or few bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from goalkit.errors import RuntimeModelError

Array = npt.NDArray[np.float32]


def read_weights(owner: str, weights: Any, rows: int, columns: int) -> Array:
    """Read the weights as float32 [rows, columns], one row per output.

    Args:
        owner: name of the weights in error messages.
        weights: the protobuf message.
        rows: number of outputs.
        columns: number of weights per output.

    Raises:
        RuntimeModelError: the number of weights is wrong, or their form is unknown.
    """
    if weights.rawValue:
        values = _dequantised(owner, weights, rows, columns)
    elif weights.float16Value:
        values = np.frombuffer(weights.float16Value, "<f2").astype(np.float32)
    else:
        values = np.array(weights.floatValue, np.float32)
    if len(values) != rows * columns:
        raise RuntimeModelError(
            f"{owner}: found {len(values)} numbers, {rows} x {columns} are needed; restore the file or export again"
        )
    return values.reshape(rows, columns)


def _dequantised(owner: str, weights: Any, rows: int, columns: int) -> Array:
    """Dequantise with a table, or as integer · scale + bias, with one scale and bias for all or per row."""
    quantisation = weights.quantization
    integers = _unpacked(weights.rawValue, quantisation.numberOfBits, rows * columns)
    if quantisation.HasField("lookupTableQuantization"):
        return np.array(quantisation.lookupTableQuantization.floatValue, np.float32)[integers]
    if not quantisation.HasField("linearQuantization"):
        raise RuntimeModelError(f"{owner}: quantised neither linearly nor by a table; restore the file or export again")
    linear = quantisation.linearQuantization
    scale, bias = (np.array(each, np.float32)[:, None] for each in (linear.scale, linear.bias or [0.0]))
    found: Array = (integers.reshape(rows, columns).astype(np.float32) * scale + bias).ravel()
    return found


def _unpacked(raw: bytes, bits: int, count: int) -> npt.NDArray[np.int64]:
    """Unpack `count` unsigned integers of 1 to 8 bits each, from bytes filled from the most significant bit on."""
    flags = np.unpackbits(np.frombuffer(raw, np.uint8))[: bits * count].reshape(count, bits)
    integers: npt.NDArray[np.int64] = flags @ (1 << np.arange(bits)[::-1])
    return integers
