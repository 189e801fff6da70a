"""The operations of MIL, Core ML's model intermediate language, in torch: a small function each.

Arguments bear the names that MIL gives them. Functions see one example at a time: `torch.func.vmap` adds the batch. Adding
an operation is adding a function here; names and formulas are those of the MIL operation reference of coremltools.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.nn import functional

Operation = Callable[..., Any]
F = TypeVar("F", bound=Operation)

OPERATIONS: dict[str, Operation] = {}
"""Each operation by its MIL name. It takes keyword arguments and returns a tensor, or a tuple if it has several outputs."""


def operation(function: F) -> F:
    """Register a function under its own name, less a trailing underscore."""
    OPERATIONS[function.__name__.rstrip("_")] = function
    return function


def numbers(value: Tensor) -> list[int]:
    """A constant tensor of integers as a list."""
    return [int(each) for each in value.reshape(-1).tolist()]


_DTYPES = {
    "fp16": torch.float32,  # the program rounds every result that is declared in half precision
    "fp32": torch.float32,
    "int8": torch.int8,
    "uint8": torch.uint8,
    "int16": torch.int16,
    "uint16": torch.int32,  # torch has few operations on uint16
    "int32": torch.int32,
    "bool": torch.bool,
}

for _name, _function in {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "real_div": torch.div,
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
}.items():
    OPERATIONS[_name] = lambda x, y, function=_function: function(x, y)

for _name, _function in {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "erf": torch.erf,
    "exp": torch.exp,
    "sqrt": torch.sqrt,
    "abs": torch.abs,
    "logical_not": torch.logical_not,
    "identity": torch.clone,
}.items():
    OPERATIONS[_name] = lambda x, function=_function: function(x)


@operation
def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """X · weightᵀ + bias."""
    return functional.linear(x, weight, bias)


@operation
def matmul(x: Tensor, y: Tensor, transpose_x: Tensor | bool = False, transpose_y: Tensor | bool = False) -> Tensor:
    """X · y, with either's last two axes swapped first."""
    return torch.matmul(x.mT if bool(transpose_x) else x, y.mT if bool(transpose_y) else y)


@operation
def layer_norm(
    x: Tensor, axes: Tensor, gamma: Tensor | None = None, beta: Tensor | None = None, epsilon: Tensor | float = 1e-5
) -> Tensor:
    """(x - mean) / sqrt(variance + epsilon) · gamma + beta over `axes`, the last ones."""
    shape = [x.shape[axis] for axis in numbers(axes)]
    return functional.layer_norm(x, shape, gamma, beta, float(epsilon))


@operation
def softmax(x: Tensor, axis: Tensor | int = -1) -> Tensor:
    """exp(x) / sum(exp(x)) along `axis`."""
    return torch.softmax(x, int(axis))


@operation
def gelu(x: Tensor, mode: str = "EXACT") -> Tensor:
    """X · Φ(x), exactly or by one of its two approximations."""
    if mode == "SIGMOID_APPROXIMATION":
        return x * torch.sigmoid(1.702 * x)
    return functional.gelu(x, approximate="tanh" if mode == "TANH_APPROXIMATION" else "none")


@operation
def rsqrt(x: Tensor, epsilon: Tensor | float = 1e-12) -> Tensor:
    """1 / sqrt(x + epsilon)."""
    return torch.rsqrt(x + epsilon)


@operation
def gather(
    x: Tensor, indices: Tensor, axis: Tensor | int = 0, batch_dims: Tensor | int = 0, validate_indices: Tensor | bool = False
) -> Tensor:
    """Slices of `x` along `axis`, at `indices`."""
    if int(batch_dims):
        raise NotImplementedError("gather with batch_dims")
    return x[(slice(None),) * (int(axis) % x.ndim) + (indices.long(),)]


@operation
def cast(x: Tensor, dtype: str) -> Tensor:
    """`x` as another type."""
    if dtype not in _DTYPES:
        raise NotImplementedError(f"cast to {dtype}")
    return x.to(_DTYPES[dtype])


@operation
def reshape(x: Tensor, shape: Tensor) -> Tensor:
    """The same numbers in another shape."""
    return x.reshape(numbers(shape))


@operation
def transpose(x: Tensor, perm: Tensor) -> Tensor:
    """Axes in another order."""
    return x.permute(numbers(perm))


@operation
def expand_dims(x: Tensor, axes: Tensor) -> Tensor:
    """Axes of size 1, at these places of the result."""
    rank = x.ndim + axes.numel()
    for axis in sorted(axis % rank for axis in numbers(axes)):
        x = x.unsqueeze(axis)
    return x


@operation
def squeeze(x: Tensor, axes: Tensor | None = None) -> Tensor:
    """Without these axes, or all axes, of size 1."""
    return x.squeeze() if axes is None else x.squeeze(numbers(axes))


@operation
def reduce_sum(x: Tensor, axes: Tensor | None = None, keep_dims: Tensor | bool = False) -> Tensor:
    """Sum over `axes`."""
    return x.sum(_axes(x, axes), keepdim=bool(keep_dims))


@operation
def reduce_mean(x: Tensor, axes: Tensor | None = None, keep_dims: Tensor | bool = False) -> Tensor:
    """Mean over `axes`."""
    return x.mean(_axes(x, axes), keepdim=bool(keep_dims))


def _axes(x: Tensor, axes: Tensor | None) -> list[int]:
    return list(range(x.ndim)) if axes is None else numbers(axes)


@operation
def concat(values: Sequence[Tensor], axis: Tensor | int, interleave: Tensor | bool = False) -> Tensor:
    """Tensors one after another along `axis`."""
    if bool(interleave):
        raise NotImplementedError("concat with interleave")
    return torch.cat(list(values), int(axis))


@operation
def split(x: Tensor, axis: Tensor, num_splits: Tensor | None = None, split_sizes: Tensor | None = None) -> tuple[Tensor, ...]:
    """Parts along `axis`."""
    size = int(x.shape[int(axis)])
    sizes = numbers(split_sizes) if split_sizes is not None else [size // int(num_splits)] * int(num_splits)  # type: ignore[arg-type]
    return torch.split(x, sizes, int(axis))


@operation
def slice_by_index(
    x: Tensor,
    begin: Tensor,
    end: Tensor,
    stride: Tensor | None = None,
    begin_mask: Tensor | None = None,
    end_mask: Tensor | None = None,
    squeeze_mask: Tensor | None = None,
) -> Tensor:
    """x[begin:end:stride] on every axis; a mask of begin or end means the edge, one of squeeze a single index."""
    rank = len(begin)
    steps = numbers(stride) if stride is not None else [1] * rank
    from_edge, to_edge, single = (
        mask.tolist() if mask is not None else [False] * rank for mask in (begin_mask, end_mask, squeeze_mask)
    )
    index: list[int | slice] = []
    for axis, (first, last, step) in enumerate(zip(numbers(begin), numbers(end), steps, strict=True)):
        if single[axis]:
            index.append(first)
        elif step > 0:
            index.append(slice(None if from_edge[axis] else first, None if to_edge[axis] else last, step))
        else:
            raise NotImplementedError("slice_by_index with a negative stride")
    return x[tuple(index)]


@operation
def pad(x: Tensor, pad: Tensor, mode: str = "constant", constant_val: Tensor | float = 0.0) -> Tensor:
    """Constants before and after the last axes; `pad` holds (before, after) of each, the outermost axis first."""
    if mode != "constant":
        raise NotImplementedError(f"pad with mode {mode}")
    pairs = pad.reshape(-1, 2).flip(0)
    return functional.pad(x, numbers(pairs), value=float(constant_val))


@operation
def select(cond: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """`a` where `cond`, else `b`."""
    return torch.where(cond, a, b)


@operation
def scaled_dot_product_attention(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None) -> Tensor:
    """softmax(query · keyᵀ / sqrt(width) + mask) · value; a mask of booleans admits where it is true."""
    # torch's own has no batching rule on processors
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        scores = scores.masked_fill(~attn_mask, -math.inf)
    elif attn_mask is not None:
        scores = scores + attn_mask
    return torch.softmax(scores, -1) @ value


@operation
def constexpr_affine_dequantize(quantized_data: Tensor, zero_point: Tensor, scale: Tensor, axis: Tensor) -> Tensor:
    """Scale · (quantized_data - zero_point), scale and zero point being one number or one for each place on `axis`."""
    shape = [1] * quantized_data.ndim
    shape[int(axis)] = -1
    scale, zero_point = (each.reshape(shape) if each.ndim else each for each in (scale, zero_point))
    return scale.float() * (quantized_data.float() - zero_point.float())


@operation
def constexpr_blockwise_shift_scale(data: Tensor, scale: Tensor, offset: Tensor | None = None) -> Tensor:
    """Scale · (data - offset); each number of scale and offset serves a block, as many along an axis as there are numbers."""
    for axis, blocks in enumerate(scale.shape):
        size = data.shape[axis] // blocks
        scale = scale.repeat_interleave(size, axis)
        offset = offset.repeat_interleave(size, axis) if offset is not None else None
    shifted = data.float() if offset is None else data.float() - offset.float()
    return scale.float() * shifted
