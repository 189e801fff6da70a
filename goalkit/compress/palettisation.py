"""Palettisation: weights as small indices into tables of values, fitted to each matrix or group of its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import torch
from torch import Tensor, nn

from goalkit.classifier import Classifier
from goalkit.compress.constrained import train_constrained
from goalkit.compress.contract import CompressionContext, Technique
from goalkit.compress.feedback import round_with_feedback
from goalkit.compress.inputs import importance, representative_texts, second_moments
from goalkit.compress.layers import large_layers
from goalkit.compress.palettes import nearest, palettise
from goalkit.configuration import among, between
from goalkit.model import GoalModel
from goalkit.weights import PaletteWeight, nonzeros, store_as
from goalkit.weights.sparse import LEAST

WIDTHS = (1, 2, 3, 4, 6, 8)


def palettise_weights(
    model: Classifier, bits: int | Sequence[int], *, group_size: int | None = None, sparse: bool = False
) -> None:
    """Store every large weight of the encoder as indices into tables of values, in place.

    Args:
        model: not compressed.
        bits: per index; or those of each weight, in the order of `large_layers`.
        group_size: rows that share a table; None: all.
        sparse: fit the tables to the weights that are not zero, and store only their indices.
    """
    layers = list(large_layers(model))
    for (module, weight), width in zip(layers, _widths(bits, len(layers)), strict=True):
        indices, palette = palettise(weight, bits=width, group_size=group_size, zeros=not sparse)
        storage = PaletteWeight(palette, group_size=group_size)
        kept, stored = nonzeros(indices, storage, weight != 0) if sparse else (indices, storage)
        store_as(module, "weight", kept, stored)


def rounded_to_palette(
    weight: Tensor, moments: Tensor, bits: int, *, group_size: int | None = None, sparse: bool = False
) -> Tensor:
    """Round a weight to tables fitted by the importance of each weight, with error feedback.

    Args:
        weight: float32 [rows, columns].
        moments: of the layer's inputs (see `goalkit.compress.inputs.second_moments`).
        bits: per index.
        group_size: rows that share a table; None: all.
        sparse: leave zeros zero.

    Returns:
        Float32 [rows, columns]. `palettise` finds the very tables again, as far as they are used.
    """
    _, palette = palettise(weight, bits=bits, group_size=group_size, zeros=not sparse, importance=importance(moments))
    storage = PaletteWeight(palette, group_size=group_size)

    def rounded(values: Tensor, columns: slice) -> Tensor:
        found = storage(nearest(values, palette))
        return torch.where(weight[:, columns] != 0, found, 0.0) if sparse else found

    return round_with_feedback(weight, moments, rounded)


@attrs.frozen(kw_only=True)
class Palettisation(Technique):
    """Stores every large weight of the encoder as indices into a table of values per matrix, or per group of rows.

    With `epochs`, the model is trained with its weights rounded to their tables, whose values are trained as well; gradients
    pass the rounding unchanged. It learns the labels and the probabilities of the model before compression.

    Args:
        bits: per index: 1, 2, 3, 4, 6 or 8; 3 bits need iOS 18.
        group_size: rows that share a table; None: all rows of the matrix. Groups need iOS 18.
        sparse: fit the tables to the weights that are not zero, and store only their indices and a bit per weight. It needs iOS
            18.
        input_aware: measure the inputs of each layer on texts, fit its table to the weights in proportion to their squared
            inputs, and round with error feedback (see `goalkit.compress.feedback`).
        epochs: maximum number of passes over the training rows with rounded weights; 0: none.
        learning_rate: of this training.
    """

    name = "palettisation"
    bits: int = attrs.field(default=4, validator=among(*WIDTHS))
    group_size: int | None = attrs.field(default=None, validator=attrs.validators.optional(between(1, whole=True)))
    sparse: bool = False
    input_aware: bool = False
    epochs: int = attrs.field(default=0, validator=between(0, whole=True))
    learning_rate: float = attrs.field(default=1e-4, validator=between(0, 1, above=True))

    def apply(self, model: GoalModel, context: CompressionContext) -> GoalModel:
        """See `Technique.apply`; needs splits if `epochs` is not 0, and texts or splits if `input_aware`; may use a folder."""
        smaller = model.copy()
        if self.input_aware:
            moments = second_moments(smaller, representative_texts(context, self))
            round_to_palettes(smaller, moments, self.bits, group_size=self.group_size, sparse=self.sparse)
        if self.epochs:
            smaller = train_constrained(
                smaller,
                lambda weight: LearnedPalette(weight, self.bits, self.group_size, sparse=self.sparse),
                self,
                context,
                epochs=self.epochs,
                learning_rate=self.learning_rate,
                teacher=model,
            )
        palettise_weights(smaller, self.bits, group_size=self.group_size, sparse=self.sparse)
        return smaller


def round_to_palettes(
    model: GoalModel,
    moments: Mapping[nn.Module, Tensor],
    bits: int | Sequence[int],
    *,
    group_size: int | None = None,
    sparse: bool = False,
) -> None:
    """Round every large weight whose inputs were measured with `rounded_to_palette`, in place; arguments as there."""
    layers = list(large_layers(model))
    for (module, weight), width in zip(layers, _widths(bits, len(layers)), strict=True):
        if module in moments:
            weight.copy_(rounded_to_palette(weight, moments[module], width, group_size=group_size, sparse=sparse))


def _widths(bits: int | Sequence[int], layers: int) -> Sequence[int]:
    return [bits] * layers if isinstance(bits, int) else bits


class LearnedPalette(nn.Module):
    """A parametrisation that rounds a weight to the nearest value of a table, and trains both.

    A value's gradient is the sum of those of the weights that it stands for (Han et al., 2016, arXiv 1510.00149), and each
    weight receives its own, as if it were not rounded. The indices follow from the current weights and values.
    """

    def __init__(self, weight: Tensor, bits: int, group_size: int | None, *, sparse: bool) -> None:
        super().__init__()
        palette = palettise(weight, bits=bits, group_size=group_size, zeros=not sparse)[1]
        self.palette = nn.Parameter(palette.reshape(-1, 2**bits))
        self.mask: Tensor | None
        self.register_buffer("mask", weight != 0 if sparse else None)

    def forward(self, weight: Tensor) -> Tensor:
        """Return the rounded weight."""
        palette = self.palette.sort(dim=1).values
        palette = palette.half().float().detach() + (palette - palette.detach())  # as it will be stored
        with torch.no_grad():
            indices = nearest(weight, palette).long()
        rounded = palette.gather(1, indices.reshape(len(palette), -1)).reshape(weight.shape)
        if self.mask is not None:
            rounded = torch.where(self.mask & (rounded.abs() > LEAST), rounded, 0.0)
        return rounded + (weight - weight.detach())
