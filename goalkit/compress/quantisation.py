"""Quantisation: weights as 8- or 4-bit integers with a scale per row, or per block of columns."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import torch
from torch import Tensor, nn

from goalkit.classifier import Classifier
from goalkit.compress.constrained import train_constrained
from goalkit.compress.contract import CompressionContext, Technique
from goalkit.compress.feedback import round_with_feedback
from goalkit.compress.inputs import representative_texts, second_moments
from goalkit.compress.layers import large_layers
from goalkit.configuration import among, between
from goalkit.model import GoalModel
from goalkit.weights import AffineForm, AffineWeight, SparseForm, half_scale, nonzeros, parts, restore_floats, store_as
from goalkit.weights.sparse import LEAST


def quantise(weight: Tensor, *, bits: int = 8, block_size: int | None = None) -> tuple[Tensor, Tensor]:
    """Quantise symmetrically, with a scale per row or block (Jacob et al., 2018, arXiv 1712.05877, with zero point 0).

    The scale is rounded to half precision before the integers are computed, because a half-precision Core ML package stores
    it that way. A row or block of zeros gets scale 1 and integers 0.

    Args:
        weight: float32 [rows, columns], finite.
        bits: per integer.
        block_size: columns that share a scale, a divisor of their number; None: the whole row.

    Returns:
        Integers int8 [rows, columns], for 8 bits in -127..127, and scales float32 [rows, blocks]; their product approximates
        `weight`. It is coarser where all magnitudes are small: the finest scale of half precision is 6.1e-5.

    Raises:
        ModelError: the columns cannot be divided into blocks of that size.
    """
    largest = 2 ** (bits - 1) - 1
    blocks = weight.reshape(len(weight), parts(weight.shape[1], block_size, "columns"), -1)
    scale = blocks.abs().amax(dim=2) / largest
    scale = torch.where(scale > 0, half_scale(scale), 1.0)
    integers = torch.round(blocks / scale.unsqueeze(2)).clamp(-largest, largest).to(torch.int8)
    return integers.reshape(weight.shape), scale


def quantise_with_feedback(
    weight: Tensor, moments: Tensor, *, bits: int = 8, block_size: int | None = None
) -> tuple[Tensor, Tensor]:
    """Quantise with the scales of `quantise`, and with error feedback (see `goalkit.compress.feedback`).

    Args:
        weight: float32 [rows, columns], finite. Zeros remain zero.
        moments: of the layer's inputs (see `goalkit.compress.inputs.second_moments`).
        bits: per integer.
        block_size: columns that share a scale, a divisor of their number; None: the whole row.

    Returns:
        Integers and scales, as of `quantise`.
    """
    _, scale = quantise(weight, bits=bits, block_size=block_size)
    steps, largest = scale.repeat_interleave(weight.shape[1] // scale.shape[1], dim=1), 2 ** (bits - 1) - 1

    def rounded(values: Tensor, columns: slice) -> Tensor:
        step = steps[:, columns]
        return torch.where(weight[:, columns] != 0, torch.round(values / step).clamp(-largest, largest) * step, 0.0)

    return torch.round(round_with_feedback(weight, moments, rounded) / steps).to(torch.int8), scale


def quantise_weights(
    model: Classifier,
    *,
    bits: int = 8,
    block_size: int | None = None,
    sparse: bool = False,
    moments: Mapping[nn.Module, Tensor] | None = None,
) -> None:
    """Store every large weight of the encoder as integers with a scale per row or block, in place.

    Args:
        model: not compressed.
        bits: per integer.
        block_size: columns that share a scale; None: the whole row.
        sparse: store only the integers that are not zero.
        moments: of the inputs of layers, whose weights are rounded with error feedback.
    """
    for module, weight in large_layers(model):
        if moments and module in moments:
            integers, scale = quantise_with_feedback(weight, moments[module], bits=bits, block_size=block_size)
        else:
            integers, scale = quantise(weight, bits=bits, block_size=block_size)
        storage = AffineWeight(scale, bits=bits, block_size=block_size)
        kept, stored = nonzeros(integers, storage) if sparse else (integers, storage)
        store_as(module, "weight", kept, stored)


@attrs.frozen(kw_only=True)
class Quantisation(Technique):
    """Stores every large weight of the encoder as small integers with a scale per row, or per block of columns.

    With `epochs`, the model is first trained with its weights rounded to these very integers and scales, whose gradients pass
    the rounding unchanged (quantisation-aware training; Jacob et al., 2018, arXiv 1712.05877). It learns the labels and the
    probabilities of the model before compression.

    Args:
        bits: per integer, 4 or 8. 4 bits need iOS 18.
        block_size: columns that share a scale; None: the whole row. Blocks need iOS 18.
        sparse: store only the integers that are not zero, and a bit per weight: smaller if `Pruning` has left enough zeros. It
            needs iOS 18.
        input_aware: measure the inputs of each layer on texts, and round with error feedback (see
            `goalkit.compress.feedback`).
        epochs: maximum number of passes over the training rows with rounded weights; 0: none.
        learning_rate: of this training.
    """

    name = "quantisation"
    bits: int = attrs.field(default=8, validator=among(4, 8))
    block_size: int | None = attrs.field(default=None, validator=attrs.validators.optional(between(1, whole=True)))
    sparse: bool = False
    input_aware: bool = False
    epochs: int = attrs.field(default=0, validator=between(0, whole=True))
    learning_rate: float = attrs.field(default=5e-5, validator=between(0, 1, above=True))

    @property
    def oldest_target(self) -> str:
        """See `Technique.oldest_target`."""
        form = AffineForm(bits=self.bits, block_size=self.block_size)
        return (SparseForm(nonzeros=0, values=form) if self.sparse else form).oldest_target

    def apply(self, model: GoalModel, context: CompressionContext) -> GoalModel:
        """See `Technique.apply`; needs splits if `epochs` is not 0, and texts or splits if `input_aware`; may use a folder."""
        smaller = model.copy()
        if self.input_aware:
            self._store(smaller, second_moments(smaller, representative_texts(context, self)))
            if not self.epochs:
                return smaller
            restore_floats(smaller)
        if self.epochs:
            smaller = train_constrained(
                smaller,
                lambda weight: Rounded(weight, self.bits, self.block_size, sparse=self.sparse),
                self,
                context,
                epochs=self.epochs,
                learning_rate=self.learning_rate,
                teacher=model,
            )
        self._store(smaller)
        return smaller

    def _store(self, model: GoalModel, moments: Mapping[nn.Module, Tensor] | None = None) -> None:
        quantise_weights(model, bits=self.bits, block_size=self.block_size, sparse=self.sparse, moments=moments)


class Rounded(nn.Module):
    """A parametrisation that rounds a weight as it will be stored, and passes gradients to it unchanged."""

    def __init__(self, weight: Tensor, bits: int, block_size: int | None, *, sparse: bool) -> None:
        super().__init__()
        self.bits, self.block_size = bits, block_size
        self.mask: Tensor | None
        self.register_buffer("mask", weight != 0 if sparse else None)
        self.register_buffer("settings", torch.tensor([bits, block_size or 0]))  # a checkpoint belongs to these alone

    def forward(self, weight: Tensor) -> Tensor:
        """Return the rounded weight."""
        with torch.no_grad():
            values = weight if self.mask is None else weight * self.mask
            integers, scale = quantise(values, bits=self.bits, block_size=self.block_size)
            rounded: Tensor = AffineWeight(scale, bits=self.bits, block_size=self.block_size)(integers)
            if self.mask is not None:
                rounded = torch.where(rounded.abs() > LEAST, rounded, 0.0)
        return weight + (rounded - weight).detach()
