"""The sparse form: which weights are not zero, and these weights, in half precision or in another stored form."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

import attrs
import numpy as np
import torch
from torch import Tensor

from goalkit.configuration import between
from goalkit.errors import ModelError
from goalkit.weights.contract import Form, StoredWeight
from goalkit.weights.registry import builds, register_form, weight_of

LEAST = float(torch.finfo(torch.float16).eps)
"""Magnitudes up to this are zeros: coremltools' converter does not keep them in a sparse weight."""


@attrs.frozen(kw_only=True)
class SparseForm(Form):
    """Positions and values of the nonzero weights.

    Args:
        nonzeros: number of nonzero weights.
        values: the form of the nonzero values; None: half precision.
    """

    form = "sparse"
    nonzeros: int = attrs.field(validator=between(0, whole=True))
    values: Form | None = None

    @property
    def oldest_target(self) -> str:
        """See `Form.oldest_target`."""
        return "iOS16" if self.values is None else "iOS18"

    def __str__(self) -> str:
        return self.form if self.values is None else f"{self.form} {self.values}"


class SparseWeight(StoredWeight[SparseForm]):
    """A weight of which only the nonzero values are stored, in the order of rows and columns, and a bit per weight.

    Args:
        mask: bool [rows, columns], true where the weight is not zero.
        values: computes weights from integers, as for a weight that is not sparse; None for values in half precision.
    """

    def __init__(self, mask: Tensor, values: StoredWeight[Any] | None = None) -> None:
        super().__init__(SparseForm(nonzeros=int(mask.sum()), values=None if values is None else values.form))
        self.shape = tuple(mask.shape)
        self.values = values
        self.bits: Tensor
        self.register_buffer("bits", torch.from_numpy(np.packbits(mask.cpu().numpy(), bitorder="little")))

    def mask(self) -> Tensor:
        """Return where the weight is not zero, bool [rows, columns]."""
        rows, columns = self.shape
        bits = np.unpackbits(self.bits.cpu().numpy(), bitorder="little", count=rows * columns)
        return torch.from_numpy(bits).to(self.bits.device, torch.bool).reshape(self.shape)

    def forward(self, kept: Tensor) -> Tensor:
        """See `StoredWeight.forward`; `kept` has the nonzero values, float16 or as the form of the values keeps them."""
        mask = self.mask()
        dense = torch.zeros(self.shape, dtype=kept.dtype, device=kept.device)
        dense[mask] = kept
        weight = dense.float() if self.values is None else self.values(dense)
        return torch.where(mask, weight, 0.0)

    def integers(self, kept: Tensor) -> Iterable[tuple[Tensor, int]]:
        """See `StoredWeight.integers`: the mask, and those of the values."""
        inner = [] if self.values is None else self.values.integers(kept)
        return [(self.mask().to(torch.uint8), 1), *inner]

    @classmethod
    def builds(cls, form: SparseForm) -> bool:
        """See `StoredWeight.builds`."""
        return form.values is None or builds(form.values)

    @classmethod
    def empty(cls, form: SparseForm, shape: tuple[int, int]) -> tuple[Tensor, Self]:
        """See `StoredWeight.empty`."""
        if form.nonzeros > shape[0] * shape[1]:
            raise ModelError(f"{form.nonzeros} of {shape[0] * shape[1]} weights are not zero: restore the model's config.json")
        mask = torch.zeros(shape[0] * shape[1], dtype=torch.bool)
        mask[: form.nonzeros] = True
        if form.values is None:
            return torch.zeros(form.nonzeros, dtype=torch.float16), cls(mask.reshape(shape))
        kept, values = weight_of(form.values).empty(form.values, shape)
        return kept.new_zeros(form.nonzeros), cls(mask.reshape(shape), values)


register_form(SparseForm, SparseWeight)


def nonzeros(dense: Tensor, values: StoredWeight[Any] | None = None, mask: Tensor | None = None) -> tuple[Tensor, SparseWeight]:
    """Return the nonzero values of a weight, and the module that computes the weight from them.

    Args:
        dense: a weight, float [rows, columns]; or what is kept of it in the form of `values`.
        values: the form in which the weight is stored; None: half precision.
        mask: bool [rows, columns], false where the weight is zero whatever its form says; None: nowhere.
    """
    dense = dense.half() if values is None else dense
    large = (dense.float() if values is None else values(dense)).abs() > LEAST
    mask = large if mask is None else large & mask
    return dense[mask], SparseWeight(mask, values)
