"""Operations that quantise activations, with the formulas of their documentation (iOS 17).

What lies between the two is computed from the dequantised numbers, in floating point, as the file says.
"""

from __future__ import annotations

import torch
from torch import Tensor

from goalkit.export.runtime.operations.registry import along, dtype_named, operation


@operation
def quantize(
    input: Tensor,  # noqa: A002
    scale: Tensor,
    output_dtype: str,
    zero_point: Tensor | None = None,
    axis: Tensor | None = None,
) -> Tensor:
    """round(input / scale) + zero_point, limited to the range of an integer type; halves are rounded to even numbers."""
    kind = dtype_named(output_dtype)
    quantised = torch.round(input / along(axis, scale, input))
    if zero_point is not None:
        quantised = quantised + along(axis, zero_point, input).float()
    limits = torch.iinfo(kind)
    return quantised.clamp(limits.min, limits.max).to(kind)


@operation
def dequantize(
    input: Tensor,  # noqa: A002
    scale: Tensor,
    zero_point: Tensor | None = None,
    axis: Tensor | None = None,
) -> Tensor:
    """scale · (input - zero_point)."""
    shifted = input.float() if zero_point is None else input.float() - along(axis, zero_point, input).float()
    return along(axis, scale, input) * shifted
