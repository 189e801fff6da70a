"""The registry of operations, and functions that they share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor

Operation = Callable[..., Any]
F = TypeVar("F", bound=Operation)

OPERATIONS: dict[str, Operation] = {}
"""Functions by MIL operation name. They take keyword arguments and return a tensor, or a tuple for several outputs."""

KEEPING: set[str] = set()
"""Operations whose results contain only numbers of their inputs, so that they need no rounding."""

DTYPES = {
    "fp16": torch.float32,  # the program rounds every result that is declared in half precision
    "fp32": torch.float32,
    "int8": torch.int8,
    "uint8": torch.uint8,
    "int16": torch.int16,
    "uint16": torch.int32,  # torch has few operations on uint16
    "int32": torch.int32,
    "bool": torch.bool,
}
"""The torch type used for each type of MIL."""


def operation(function: F) -> F:
    """Register a function under its own name."""
    OPERATIONS[function.__name__] = function
    return function


def keeping(function: F) -> F:
    """Register a function that only moves or selects numbers."""
    KEEPING.add(function.__name__)
    return operation(function)


def numbers(value: Tensor) -> list[int]:
    """Convert a constant tensor of integers to a list."""
    return [int(each) for each in value.reshape(-1).tolist()]


def along(axis: Tensor | None, values: Tensor, x: Tensor) -> Tensor:
    """Reshape a vector so that it applies along `axis` of `x`; a single number stays as it is."""
    if axis is None or not values.ndim:
        return values
    shape = [1] * x.ndim
    shape[int(axis)] = -1
    return values.reshape(shape)


def dtype_named(name: str) -> torch.dtype:
    """Return the torch type for the name of a MIL type."""
    if name not in DTYPES:
        raise NotImplementedError(f"type {name}")
    return DTYPES[name]
