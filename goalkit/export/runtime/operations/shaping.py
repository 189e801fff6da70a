"""Operations that move numbers without changing them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from goalkit.export.runtime.operations.registry import keeping, numbers, operation


@keeping
def gather(
    x: Tensor,
    indices: Tensor,
    axis: Tensor | int = 0,
    batch_dims: Tensor | int = 0,
    validate_indices: Tensor | bool = False,
) -> Tensor:
    """Slices of `x` along `axis`, at `indices`; negative indices count from the end."""
    if int(batch_dims):
        raise NotImplementedError("batch_dims")
    return x[(slice(None),) * (int(axis) % x.ndim) + (indices.long(),)]


@keeping
def gather_nd(x: Tensor, indices: Tensor, batch_dims: Tensor | int = 0, validate_indices: Tensor | bool = False) -> Tensor:
    """Slices of `x`; the last axis of `indices` holds the index on each leading axis of `x`."""
    if int(batch_dims):
        raise NotImplementedError("batch_dims")
    return x[tuple(indices.long().unbind(-1))]


@keeping
def gather_along_axis(x: Tensor, indices: Tensor, axis: Tensor | int = 0, validate_indices: Tensor | bool = False) -> Tensor:
    """Numbers of `x` along `axis`, at `indices`, which have the same number of axes."""
    places = indices.long()
    return torch.gather(x, int(axis), torch.where(places < 0, places + x.shape[int(axis)], places))


@operation
def shape(x: Tensor) -> Tensor:
    """The sizes of `x`, with which a program adapts to inputs of several shapes."""
    return torch.tensor(x.shape, dtype=torch.int32)


@keeping
def reshape(x: Tensor, shape: Tensor) -> Tensor:
    """`x` in another shape; 0 keeps a size and -1 is inferred."""
    sizes = [x.shape[axis] if size == 0 else size for axis, size in enumerate(numbers(shape))]
    return x.reshape(sizes)


@keeping
def transpose(x: Tensor, perm: Tensor) -> Tensor:
    """`x` with permuted axes."""
    return x.permute(numbers(perm))


@keeping
def expand_dims(x: Tensor, axes: Tensor) -> Tensor:
    """`x` with new axes of size 1, at these positions in the result."""
    rank = x.ndim + axes.numel()
    for axis in sorted(axis % rank for axis in numbers(axes)):
        x = x.unsqueeze(axis)
    return x


@keeping
def squeeze(x: Tensor, axes: Tensor | None = None) -> Tensor:
    """`x` without these axes, or all axes, of size 1."""
    return x.squeeze() if axes is None else x.squeeze(numbers(axes))


@keeping
def concat(values: Sequence[Tensor], axis: Tensor | int, interleave: Tensor | bool = False) -> Tensor:
    """Concatenate tensors along `axis`; scalars count as tensors with one axis."""
    if bool(interleave):
        raise NotImplementedError("interleave")
    return torch.cat([each if each.ndim else each[None] for each in values], int(axis))


@keeping
def stack(values: Sequence[Tensor], axis: Tensor | int) -> Tensor:
    """Stack tensors along a new `axis`."""
    return torch.stack(list(values), int(axis))


@keeping
def split(x: Tensor, axis: Tensor, num_splits: Tensor | None = None, split_sizes: Tensor | None = None) -> tuple[Tensor, ...]:
    """Split along `axis`, into a number of equal parts or into parts of given sizes."""
    if split_sizes is not None:
        return torch.split(x, numbers(split_sizes), int(axis))
    assert num_splits is not None
    return torch.split(x, x.shape[int(axis)] // int(num_splits), int(axis))


@keeping
def tile(x: Tensor, reps: Tensor) -> Tensor:
    """`x` repeated along each axis."""
    return x.repeat(numbers(reps))


@keeping
def reverse(x: Tensor, axes: Tensor | None = None) -> Tensor:
    """`x` reversed along these axes, or all of them."""
    return torch.flip(x, list(range(x.ndim)) if axes is None else numbers(axes))


@operation
def fill(shape: Tensor, value: Tensor | float = 0.0) -> Tensor:
    """A tensor filled with one number."""
    number = torch.as_tensor(value)
    return torch.full(numbers(shape), number.item(), dtype=number.dtype)


@operation
def fill_like(ref_tensor: Tensor, value: Tensor | float = 0.0) -> Tensor:
    """A tensor filled with one number, in the shape of another tensor."""
    number = torch.as_tensor(value)
    return torch.zeros_like(ref_tensor, dtype=number.dtype) + number


@operation
def range_1d(end: Tensor, start: Tensor, step: Tensor) -> Tensor:
    """Numbers from `start` up to but not including `end`."""
    return torch.arange(start.item(), end.item(), step.item(), dtype=start.dtype)


@keeping
def slice_by_index(
    x: Tensor,
    begin: Tensor,
    end: Tensor,
    stride: Tensor | None = None,
    begin_mask: Tensor | None = None,
    end_mask: Tensor | None = None,
    squeeze_mask: Tensor | None = None,
) -> Tensor:
    """x[begin:end:stride] on every axis; masks of begin and end mean the edge, that of squeeze a single index."""
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
            raise NotImplementedError("a negative stride")
    return x[tuple(index)]


@keeping
def slice_by_size(x: Tensor, begin: Tensor, size: Tensor) -> Tensor:
    """Numbers from `begin` on every axis, as many as `size`; a size of -1 extends to the edge."""
    pairs = zip(numbers(begin), numbers(size), strict=True)
    return x[tuple(slice(first, None if count == -1 else first + count) for first, count in pairs)]


@keeping
def pad(x: Tensor, pad: Tensor, mode: str = "constant", constant_val: Tensor | float = 0.0) -> Tensor:
    """Pad the last axes with constants; `pad` holds (before, after) per axis, the outermost axis first."""
    if mode != "constant":
        raise NotImplementedError(f"mode {mode}")
    return functional.pad(x, numbers(pad.reshape(-1, 2).flip(0)), value=float(constant_val))
