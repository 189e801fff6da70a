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
from goalkit.weights import PaletteForm, PaletteWeight, SparseForm, nonzeros, restore_floats, store_as
from goalkit.weights.sparse import LEAST

WIDTHS = (1, 2, 3, 4, 6, 8)


def palettise_layer(
    weight: Tensor, moments: Tensor | None, *, bits: int, group_size: int | None = None, zeros: bool = True
) -> tuple[Tensor, Tensor]:
    """Fit tables to weights in proportion to their squared inputs, and round to them with error feedback.

    Args:
        weight: float32 [rows, columns], finite.
        moments: of the layer's inputs (see `goalkit.compress.inputs.second_moments`); None: see `palettise`.
        bits: per index.
        group_size: rows that share a table, a divisor of their number; None: all.
        zeros: see `palettise`. If false, zeros remain zero.

    Returns:
        Indices and tables, as of `palettise`.
    """
    if moments is None:
        return palettise(weight, bits=bits, group_size=group_size, zeros=zeros)
    _, palette = palettise(weight, bits=bits, group_size=group_size, zeros=zeros, importance=importance(moments))
    storage = PaletteWeight(palette, group_size=group_size)

    def rounded(values: Tensor, columns: slice) -> Tensor:
        found: Tensor = storage(nearest(values, palette))
        return found if zeros else torch.where(weight[:, columns] != 0, found, 0.0)

    return nearest(round_with_feedback(weight, moments, rounded), palette), palette


def palettise_weights(
    model: Classifier,
    bits: int | Sequence[int],
    *,
    group_size: int | None = None,
    sparse: bool = False,
    moments: Mapping[nn.Module, Tensor] | None = None,
) -> None:
    """Store every large weight of the encoder as indices into tables of values, in place.

    Args:
        model: not compressed.
        bits: per index; or those of each weight, in the order of `large_layers`.
        group_size: rows that share a table; None: all.
        sparse: fit the tables to the weights that are not zero, and store only their indices.
        moments: of the inputs of layers, whose weights are rounded with error feedback.
    """
    layers = list(large_layers(model))
    widths = [bits] * len(layers) if isinstance(bits, int) else bits
    for (module, weight), width in zip(layers, widths, strict=True):
        measured = None if moments is None else moments.get(module)
        indices, palette = palettise_layer(weight, measured, bits=width, group_size=group_size, zeros=not sparse)
        storage = PaletteWeight(palette, group_size=group_size)
        kept, stored = nonzeros(indices, storage, weight != 0) if sparse else (indices, storage)
        store_as(module, "weight", kept, stored)


@attrs.frozen(kw_only=True)
class PaletteTechnique(Technique):
    """Base class of techniques that store every large weight of the encoder as indices into tables of values.

    With `epochs`, the model is trained with its weights rounded to their tables, whose values are trained as well; gradients
    pass the rounding unchanged. It learns the labels and the probabilities of the model before compression.

    Args:
        group_size: rows that share a table; None: all rows of the matrix. Groups need iOS 18.
        input_aware: measure the inputs of each layer on texts, fit its table to the weights in proportion to their squared
            inputs, and round with error feedback (see `goalkit.compress.feedback`).
        epochs: maximum number of passes over the training rows with rounded weights; 0: none.
        learning_rate: of this training.
    """

    group_size: int | None = attrs.field(default=None, validator=attrs.validators.optional(between(1, whole=True)))
    input_aware: bool = False
    epochs: int = attrs.field(default=0, validator=between(0, whole=True))
    learning_rate: float = attrs.field(default=1e-4, validator=between(0, 1, above=True))

    def measured(self, model: GoalModel, context: CompressionContext) -> dict[nn.Module, Tensor] | None:
        """Return the moments of the inputs of a model's layers; None unless `input_aware`."""
        return second_moments(model, representative_texts(context, self)) if self.input_aware else None

    def palettised(
        self, model: GoalModel, context: CompressionContext, bits: Sequence[int], *, sparse: bool = False
    ) -> GoalModel:
        """Return a copy with palettes of so many bits, in the order of `large_layers`, trained if there are epochs."""
        smaller = model.copy()
        moments = self.measured(smaller, context)
        if self.epochs:
            if moments:
                palettise_weights(smaller, bits, group_size=self.group_size, sparse=sparse, moments=moments)
                restore_floats(smaller)
            widths = iter(bits)
            smaller = train_constrained(
                smaller,
                lambda weight: LearnedPalette(weight, next(widths), self.group_size, sparse=sparse),
                self,
                context,
                epochs=self.epochs,
                learning_rate=self.learning_rate,
                teacher=model,
            )
            moments = None  # the weights are those of tables already, which are found again
        palettise_weights(smaller, bits, group_size=self.group_size, sparse=sparse, moments=moments)
        return smaller


@attrs.frozen(kw_only=True)
class Palettisation(PaletteTechnique):
    """Stores every large weight of the encoder as indices into a table of values per matrix, or per group of rows.

    Args:
        bits: per index: 1, 2, 3, 4, 6 or 8; 3 bits need iOS 18.
        sparse: fit the tables to the weights that are not zero, and store only their indices and a bit per weight. It needs iOS
            18.
        group_size: see `PaletteTechnique`, as for the following.
        input_aware: whether to measure the inputs of layers.
        epochs: of training with rounded weights.
        learning_rate: of this training.
    """

    name = "palettisation"
    bits: int = attrs.field(default=4, validator=among(*WIDTHS))
    sparse: bool = False

    @property
    def oldest_target(self) -> str:
        """See `Technique.oldest_target`."""
        form = PaletteForm(bits=self.bits, group_size=self.group_size)
        return (SparseForm(nonzeros=0, values=form) if self.sparse else form).oldest_target

    def apply(self, model: GoalModel, context: CompressionContext) -> GoalModel:
        """See `Technique.apply`; needs splits if `epochs` is not 0, and texts or splits if `input_aware`; may use a folder."""
        return self.palettised(model, context, [self.bits] * len(list(large_layers(model))), sparse=self.sparse)


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
