"""The palette form: small indices into a table of values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import attrs
import torch
from torch import Tensor

from goalkit.configuration import between
from goalkit.weights.contract import Form, StoredWeight


@attrs.frozen(kw_only=True)
class PaletteForm(Form):
    """Indices i into a table: w = palette[i].

    Args:
        bits: per index.
        group_size: rows that share a table; None: one table per matrix.
    """

    form = "palette"
    bits: int = attrs.field(validator=between(1, 8, whole=True))
    group_size: int | None = attrs.field(default=None, validator=attrs.validators.optional(between(1, whole=True)))

    def __str__(self) -> str:
        return f"{self.bits}-bit {self.form}"


class PaletteWeight(StoredWeight[PaletteForm]):
    """A weight stored as indices into one table.

    Args:
        palette: float32 [2^bits], increasing, representable in half precision.
    """

    def __init__(self, palette: Tensor) -> None:
        super().__init__(PaletteForm(bits=(len(palette) - 1).bit_length()))
        self.palette: Tensor
        self.register_buffer("palette", palette)

    def forward(self, kept: Tensor) -> Tensor:
        """See `StoredWeight.forward`; `kept` is uint8 [rows, columns]."""
        return self.palette[kept.long()]

    def integers(self, kept: Tensor) -> Iterable[tuple[Tensor, int]]:
        """See `StoredWeight.integers`."""
        return [(kept, self.form.bits)]

    @classmethod
    def builds(cls, form: PaletteForm) -> bool:
        """See `StoredWeight.builds`."""
        return form == PaletteForm(bits=form.bits)

    @classmethod
    def empty(cls, form: PaletteForm, shape: tuple[int, int]) -> tuple[Tensor, Self]:
        """See `StoredWeight.empty`."""
        return torch.zeros(shape, dtype=torch.uint8), cls(torch.zeros(2**form.bits))
