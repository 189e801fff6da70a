"""Operations with weights, normalisation and attention."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from goalkit.export.runtime.operations.registry import numbers, operation


@operation
def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x · weightᵀ + bias."""
    return functional.linear(x, weight, bias)


@operation
def matmul(x: Tensor, y: Tensor, transpose_x: Tensor | bool = False, transpose_y: Tensor | bool = False) -> Tensor:
    """x · y; the last two axes of either can be transposed first."""
    return torch.matmul(x.mT if bool(transpose_x) else x, y.mT if bool(transpose_y) else y)


@operation
def einsum(values: Sequence[Tensor], equation: str) -> Tensor:
    """Product of two tensors, summed according to the equation."""
    return torch.einsum(equation, *values)


@operation
def conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    strides: Tensor | None = None,
    pad_type: str = "valid",
    pad: Tensor | None = None,
    dilations: Tensor | None = None,
    groups: Tensor | int = 1,
) -> Tensor:
    """Convolution over 1 to 3 axes: x [n, C_in, …], weight [C_out, C_in / groups, …]."""
    spatial = x.ndim - 2
    stride = numbers(strides) if strides is not None else [1] * spatial
    dilation = numbers(dilations) if dilations is not None else [1] * spatial
    sizes = [(size - 1) * step + 1 for size, step in zip(weight.shape[2:], dilation, strict=True)]
    if pad_type == "custom":
        padding = numbers(pad) if pad is not None else [0] * 2 * spatial
    elif pad_type in ("same", "same_lower"):
        padding = []
        for length, size, step in zip(x.shape[2:], sizes, stride, strict=True):
            total = max(0, (math.ceil(length / step) - 1) * step + size - length)
            half = (total // 2, total - total // 2)
            padding += half if pad_type == "same" else half[::-1]
    else:
        padding = [0] * 2 * spatial
    pairs = [padding[2 * axis : 2 * axis + 2] for axis in reversed(range(spatial))]
    padded = functional.pad(x, [each for pair in pairs for each in pair])
    convolve = (functional.conv1d, functional.conv2d, functional.conv3d)[spatial - 1]
    return convolve(padded, weight, bias, stride=stride, dilation=dilation, groups=int(groups))


@operation
def layer_norm(
    x: Tensor,
    axes: Tensor | None = None,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    epsilon: Tensor | float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(variance + epsilon) · gamma + beta over `axes`, by default all of them."""
    over = list(range(x.ndim)) if axes is None else sorted(axis % x.ndim for axis in numbers(axes))
    if over == list(range(x.ndim - len(over), x.ndim)):
        return functional.layer_norm(x, [x.shape[axis] for axis in over], gamma, beta, float(epsilon))
    centred = x - x.mean(over, keepdim=True)
    normalised = centred * torch.rsqrt(centred.square().mean(over, keepdim=True) + epsilon)
    shape = [x.shape[axis] if axis in over else 1 for axis in range(x.ndim)]
    scaled = normalised if gamma is None else normalised * gamma.reshape(shape)
    return scaled if beta is None else scaled + beta.reshape(shape)


@operation
def batch_norm(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    epsilon: Tensor | float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(variance + epsilon) · gamma + beta per channel, the second axis."""
    return functional.batch_norm(x, mean, variance, gamma, beta, eps=float(epsilon))


@operation
def softmax(x: Tensor, axis: Tensor | int = -1) -> Tensor:
    """exp(x) / sum(exp(x)) along `axis`."""
    return torch.softmax(x, int(axis))


@operation
def scaled_dot_product_attention(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None) -> Tensor:
    """softmax(query · keyᵀ / sqrt(width) + mask) · value; a boolean mask is true where attention is allowed."""
    # torch's own function has no batching rule on CPUs
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        scores = scores.masked_fill(~attn_mask, -math.inf)
    elif attn_mask is not None:
        scores = scores + attn_mask
    return torch.softmax(scores, -1) @ value
