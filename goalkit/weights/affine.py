"""The affine form: small integers and scales."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import attrs
import torch
from torch import Tensor

from goalkit.configuration import between
from goalkit.weights.contract import Form, StoredWeight


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

    def __str__(self) -> str:
        return f"{self.bits}-bit {self.form}"


class AffineWeight(StoredWeight[AffineForm]):
    """A weight stored as signed 8-bit integers with a scale per row.

    The scales are representable in half precision, so that an FP16 package contains the same values.

    Args:
        scale: float32 [rows, 1].
    """

    def __init__(self, scale: Tensor) -> None:
        super().__init__(AffineForm(bits=8))
        self.scale: Tensor
        self.register_buffer("scale", scale)

    def forward(self, kept: Tensor) -> Tensor:
        """See `StoredWeight.forward`; `kept` is int8 [rows, columns]."""
        return kept.to(self.scale.dtype) * self.scale

    def integers(self, kept: Tensor) -> Iterable[tuple[Tensor, int]]:
        """See `StoredWeight.integers`."""
        return [(kept, self.form.bits)]

    @classmethod
    def builds(cls, form: AffineForm) -> bool:
        """See `StoredWeight.builds`."""
        return form == AffineForm(bits=8)

    @classmethod
    def empty(cls, form: AffineForm, shape: tuple[int, int]) -> tuple[Tensor, Self]:
        """See `StoredWeight.empty`."""
        return torch.zeros(shape, dtype=torch.int8), cls(torch.ones(shape[0], 1))
