"""Elementwise operations, and reductions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from goalkit.export.runtime.operations.registry import KEEPING, OPERATIONS, dtype_named, keeping, numbers, operation

for _name, _binary in {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "real_div": torch.div,
    "floor_div": torch.floor_divide,
    "mod": torch.remainder,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "pow": torch.pow,
    "equal": torch.eq,
    "not_equal": torch.ne,
    "greater": torch.gt,
    "greater_equal": torch.ge,
    "less": torch.lt,
    "less_equal": torch.le,
    "logical_and": torch.logical_and,
    "logical_or": torch.logical_or,
    "logical_xor": torch.logical_xor,
}.items():
    OPERATIONS[_name] = lambda x, y, function=_binary: function(x, y)

for _name, _unary in {
    "abs": torch.abs,
    "ceil": torch.ceil,
    "cos": torch.cos,
    "erf": torch.erf,
    "exp": torch.exp,
    "floor": torch.floor,
    "identity": torch.clone,
    "logical_not": torch.logical_not,
    "relu": torch.relu,
    "round": torch.round,
    "sigmoid": torch.sigmoid,
    "sign": torch.sign,
    "silu": functional.silu,
    "sin": torch.sin,
    "softplus": functional.softplus,
    "softsign": functional.softsign,
    "sqrt": torch.sqrt,
    "square": torch.square,
    "tanh": torch.tanh,
}.items():
    OPERATIONS[_name] = lambda x, function=_unary: function(x)

for _name, _reduction in {
    "reduce_sum": torch.sum,
    "reduce_mean": torch.mean,
    "reduce_max": torch.amax,
    "reduce_min": torch.amin,
    "reduce_prod": lambda x, axes, keepdim: _product(x, axes, keepdim),
    "reduce_l2_norm": lambda x, axes, keepdim: torch.sqrt(torch.sum(x * x, axes, keepdim)),
    "reduce_sum_square": lambda x, axes, keepdim: torch.sum(x * x, axes, keepdim),
}.items():
    OPERATIONS[_name] = lambda x, axes=None, keep_dims=False, function=_reduction: function(
        x, list(range(x.ndim)) if axes is None else numbers(axes), keepdim=bool(keep_dims)
    )

KEEPING.update(("abs", "identity", "maximum", "minimum", "reduce_max", "reduce_min", "relu"))


def _product(x: Tensor, axes: list[int], keepdim: bool) -> Tensor:
    for axis in sorted((axis % x.ndim for axis in axes), reverse=True):
        x = torch.prod(x, axis, keepdim=keepdim)
    return x


@operation
def gelu(x: Tensor, mode: str = "EXACT") -> Tensor:
    """x · Φ(x), exactly or in one of its two approximations."""
    if mode == "SIGMOID_APPROXIMATION":
        return x * torch.sigmoid(1.702 * x)
    return functional.gelu(x, approximate="tanh" if mode == "TANH_APPROXIMATION" else "none")


@operation
def leaky_relu(x: Tensor, alpha: Tensor | float = 0.01) -> Tensor:
    """x, or alpha · x where x is negative."""
    return functional.leaky_relu(x, float(alpha))


@operation
def elu(x: Tensor, alpha: Tensor | float = 1.0) -> Tensor:
    """x, or alpha · (exp(x) - 1) where x is negative."""
    return functional.elu(x, float(alpha))


@operation
def rsqrt(x: Tensor, epsilon: Tensor | float = 1e-12) -> Tensor:
    """1 / sqrt(x + epsilon)."""
    return torch.rsqrt(x + epsilon)


@operation
def inverse(x: Tensor, epsilon: Tensor | float = 1e-4) -> Tensor:
    """1 / (x + epsilon)."""
    return torch.reciprocal(x + epsilon)


@operation
def log(x: Tensor, epsilon: Tensor | float = 1e-45) -> Tensor:
    """Natural logarithm of x + epsilon."""
    return torch.log(x + epsilon)


@operation
def clip(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """`x` limited to the range from alpha to beta."""
    return torch.clamp(x, float(alpha), float(beta))


@operation
def cast(x: Tensor, dtype: str) -> Tensor:
    """`x` converted to another type."""
    return x.to(dtype_named(dtype))


@keeping
def select(cond: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """`a` where `cond`, else `b`."""
    return torch.where(cond, a, b)


@operation
def reduce_argmax(x: Tensor, axis: Tensor | int = -1, keep_dims: Tensor | bool = False, output_dtype: str = "int32") -> Tensor:
    """Index of the largest number along `axis`."""
    return torch.argmax(x, int(axis), keepdim=bool(keep_dims)).to(dtype_named(output_dtype))


@keeping
def classify(probabilities: Tensor, classes: Sequence[str | int]) -> tuple[Tensor, Tensor]:
    """Index of the most probable of `classes`, and the probabilities, flattened."""
    flat = probabilities.flatten()
    if len(flat) != len(classes):
        raise ValueError(f"{len(classes)} classes")
    return flat.argmax(), flat


@operation
def cumsum(x: Tensor, axis: Tensor | int = 0, exclusive: Tensor | bool = False, reverse: Tensor | bool = False) -> Tensor:
    """Cumulative sum along `axis`."""
    if bool(exclusive) or bool(reverse):
        raise NotImplementedError("an exclusive or reversed running sum")
    return torch.cumsum(x, int(axis), dtype=x.dtype)
