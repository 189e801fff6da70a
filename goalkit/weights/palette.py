"""The palette form: small indices into a table of values."""

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

    @property
    def oldest_target(self) -> str:
        """See `Form.oldest_target`."""
        return "iOS16" if self.bits != 3 and self.group_size is None else "iOS18"

    def __str__(self) -> str:
        return f"{self.bits}-bit {self.form}" + ("" if self.group_size is None else f", groups of {self.group_size}")


class PaletteWeight(StoredWeight[PaletteForm]):
    """A weight stored as indices into one table, or into a table per group of rows.

    Args:
        palette: float32 [2^bits], or [groups, 2^bits]; increasing, representable in half precision.
        group_size: rows that share a table; None: all.
    """

    def __init__(self, palette: Tensor, *, group_size: int | None = None) -> None:
        super().__init__(PaletteForm(bits=(palette.shape[-1] - 1).bit_length(), group_size=group_size))
        self.palette: Tensor
        self.register_buffer("palette", palette)

    def forward(self, kept: Tensor) -> Tensor:
        """See `StoredWeight.forward`; `kept` is uint8 [rows, columns]."""
        if self.form.group_size is None:
            return self.palette[kept.long()]
        grouped = kept.long().reshape(len(self.palette), -1)
        return self.palette.gather(1, grouped).reshape(kept.shape)

    def integers(self, kept: Tensor) -> Iterable[tuple[Tensor, int]]:
        """See `StoredWeight.integers`."""
        return [(kept, self.form.bits)]

    @classmethod
    def builds(cls, form: PaletteForm) -> bool:
        """See `StoredWeight.builds`."""
        return True

    @classmethod
    def empty(cls, form: PaletteForm, shape: tuple[int, int]) -> tuple[Tensor, Self]:
        """See `StoredWeight.empty`."""
        values = 2**form.bits
        groups = parts(shape[0], form.group_size, "rows")
        palette = torch.zeros(values) if form.group_size is None else torch.zeros(groups, values)
        return torch.zeros(shape, dtype=torch.uint8), cls(palette, group_size=form.group_size)


register_form(PaletteForm, PaletteWeight)
