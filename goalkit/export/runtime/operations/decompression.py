"""The `constexpr_` operations: decompress weights with the formulas of their documentation.

iOS 16 packs small integers into bytes and gives the shape separately; iOS 18 has small integer types, unpacked on reading.
"""

from __future__ import annotations

import torch
from torch import Tensor

from goalkit.export.runtime.operations.registry import along, dtype_named, numbers, operation
from goalkit.export.runtime.packing import unpack_bits


@operation
def constexpr_cast(source_val: Tensor, output_dtype: str) -> Tensor:
    """Convert a constant to another type."""
    return source_val.to(dtype_named(output_dtype))


@operation
def constexpr_affine_dequantize(quantized_data: Tensor, zero_point: Tensor, scale: Tensor, axis: Tensor) -> Tensor:
    """scale · (quantized_data - zero_point); scale and zero point are single numbers, or have one per index on `axis`."""
    scale, zero_point = (along(axis, each, quantized_data) for each in (scale, zero_point))
    return scale.float() * (quantized_data.float() - zero_point.float())


@operation
def constexpr_blockwise_shift_scale(data: Tensor, scale: Tensor, offset: Tensor | None = None) -> Tensor:
    """scale · (data - offset); each number of scale and offset applies to a block of equal size."""
    scales = _spread(scale.float(), data.shape)
    return scales * (data.float() if offset is None else data.float() - _spread(offset.float(), data.shape))


@operation
def constexpr_lut_to_dense(
    indices: Tensor, lut: Tensor, shape: Tensor | None = None, vector_axis: Tensor | None = None
) -> Tensor:
    """lut[indices]: one table (iOS 16, packed indices), or one table per block, of numbers or of vectors (iOS 18)."""
    if shape is not None:
        sizes = numbers(shape)
        bits = (len(lut) - 1).bit_length()
        return lut[unpack_bits(indices, bits, torch.Size(sizes).numel()).long()].reshape(sizes)
    return _look_up(indices, lut, vector_axis)


@operation
def constexpr_sparse_to_dense(nonzero_data: Tensor, mask: Tensor, shape: Tensor | None = None) -> Tensor:
    """The numbers of `nonzero_data`, in order, where `mask` is 1, and 0 elsewhere."""
    if shape is not None:
        sizes = numbers(shape)
        mask = unpack_bits(mask, 1, torch.Size(sizes).numel()).reshape(sizes)
    return _dense(nonzero_data, mask)


@operation
def constexpr_lut_to_sparse(
    indices_mask: Tensor, indices_nonzero_data: Tensor, lut: Tensor, vector_axis: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Look up the indices that `indices_mask` marks; returns the mask, widened for vectors, and the numbers it marks."""
    dense = _look_up(_dense(indices_nonzero_data, indices_mask), lut, vector_axis)
    width = lut.shape[-1]
    mask = indices_mask if width == 1 else indices_mask.repeat_interleave(width, int(vector_axis))  # type: ignore[arg-type]
    return mask, dense[mask.bool()]


@operation
def constexpr_sparse_blockwise_shift_scale(
    data_mask: Tensor, nonzero_data: Tensor, scale: Tensor, offset: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """`constexpr_blockwise_shift_scale` of the numbers that `data_mask` marks; returns the mask and the results it marks."""
    dense = constexpr_blockwise_shift_scale(_dense(nonzero_data, data_mask), scale, offset)
    return data_mask, dense[data_mask.bool()]


def _dense(nonzero: Tensor, mask: Tensor) -> Tensor:
    dense = torch.zeros(mask.shape, dtype=nonzero.dtype)
    dense[mask.bool()] = nonzero
    return dense


def _spread(values: Tensor, shape: torch.Size) -> Tensor:
    """Repeat each value over its block, so that the result has `shape`."""
    for axis, size in enumerate(shape):
        values = values.repeat_interleave(size // values.shape[axis], axis)
    return values


def _look_up(indices: Tensor, lut: Tensor, vector_axis: Tensor | None) -> Tensor:
    """`lut` is [blocks of each axis …, palette, vector]."""
    axes = [
        (torch.arange(size) // (size // blocks)).reshape([-1 if other == axis else 1 for other in range(indices.ndim)])
        for axis, (size, blocks) in enumerate(zip(indices.shape, lut.shape, strict=False))
    ]
    vectors = lut[(*axes, indices.long())]
    if vectors.shape[-1] == 1:
        return vectors.squeeze(-1)
    axis = int(vector_axis) % indices.ndim  # type: ignore[arg-type]
    return vectors.movedim(-1, axis + 1).flatten(axis, axis + 1)
