"""The register of operations, and what their functions share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor

Operation = Callable[..., Any]
F = TypeVar("F", bound=Operation)

OPERATIONS: dict[str, Operation] = {}
"""Each operation by its MIL name. It takes keyword arguments and returns a tensor, or a tuple if it has several outputs."""

KEEPING: set[str] = set()
"""Operations whose results hold only numbers that were put in, so that they need no rounding."""

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
"""What torch computes in for each type of MIL."""


def operation(function: F) -> F:
    """Register a function under its own name."""
    OPERATIONS[function.__name__] = function
    return function


def keeping(function: F) -> F:
    """Register a function that only moves or chooses numbers."""
    KEEPING.add(function.__name__)
    return operation(function)


def numbers(value: Tensor) -> list[int]:
    """A constant tensor of integers as a list."""
    return [int(each) for each in value.reshape(-1).tolist()]


def dtype_named(name: str) -> torch.dtype:
    """The torch type for a type name of MIL."""
    if name not in DTYPES:
        raise NotImplementedError(f"type {name}")
    return DTYPES[name]
