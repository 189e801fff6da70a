"""The affine form: small integers and scales."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import attrs
import torch
from torch import Tensor

from goalkit.configuration import between
from goalkit.weights.contract import Form, StoredWeight
from goalkit.weights.registry import register_form
from goalkit.weights.shapes import parts


def half_scale(scale: Tensor) -> Tensor:
    """Round scales to normal numbers of half precision, because a half-precision Core ML package stores them that way.

    Args:
        scale: float, of any shape, not negative.

    Returns:
        Scales of the same type and shape, between 6.1e-5 and 65,504.
    """
    half = torch.finfo(torch.float16)
    return scale.clamp(min=half.tiny, max=half.max).half().to(scale.dtype)


@attrs.frozen(kw_only=True)
class AffineForm(Form):
    """Signed integers q with a scale: w = q · scale.

    Args:
        bits: per integer.
        block_size: columns that share a scale; None: one scale per row.
    """

    form = "affine"
    bits: int = attrs.field(validator=between(2, 8, whole=True))
    block_size: int | None = attrs.field(default=None, validator=attrs.validators.optional(between(1, whole=True)))

    @property
    def oldest_target(self) -> str:
        """See `Form.oldest_target`."""
        return "iOS16" if self.bits == 8 and self.block_size is None else "iOS18"

    def __str__(self) -> str:
        return f"{self.bits}-bit {self.form}" + ("" if self.block_size is None else f", blocks of {self.block_size}")


class AffineWeight(StoredWeight[AffineForm]):
    """A weight stored as small signed integers with a scale per row, or per block of columns of each row.

    The scales are representable in half precision, so that an FP16 package contains the same values.

    Args:
        scale: float32 [rows, blocks]; one block without `block_size`.
        bits: per integer, 4 or 8.
        block_size: columns that share a scale; None: the whole row.
    """

    def __init__(self, scale: Tensor, *, bits: int = 8, block_size: int | None = None) -> None:
        super().__init__(AffineForm(bits=bits, block_size=block_size))
        self.scale: Tensor
        self.register_buffer("scale", scale)

    def forward(self, kept: Tensor) -> Tensor:
        """See `StoredWeight.forward`; `kept` is int8 [rows, columns]."""
        rows, blocks = self.scale.shape
        return (kept.reshape(rows, blocks, -1).to(self.scale.dtype) * self.scale.unsqueeze(-1)).reshape(kept.shape)

    def integers(self, kept: Tensor) -> Iterable[tuple[Tensor, int]]:
        """See `StoredWeight.integers`."""
        return [(kept, self.form.bits)]

    @classmethod
    def builds(cls, form: AffineForm) -> bool:
        """See `StoredWeight.builds`."""
        return form.bits in (4, 8)

    @classmethod
    def empty(cls, form: AffineForm, shape: tuple[int, int]) -> tuple[Tensor, Self]:
        """See `StoredWeight.empty`."""
        blocks = parts(shape[1], form.block_size, "columns")
        scale = torch.ones(shape[0], blocks)
        return torch.zeros(shape, dtype=torch.int8), cls(scale, bits=form.bits, block_size=form.block_size)


register_form(AffineForm, AffineWeight)
