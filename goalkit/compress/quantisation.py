"""Quantisation: weights as 8-bit integers with a scale per row."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from goalkit.classifier import Classifier
from goalkit.compress.contract import CompressionContext, Technique
from goalkit.compress.layers import large_layers
from goalkit.model import GoalModel
from goalkit.weights import AffineWeight, store_as

_LARGEST = 127


def quantise_rows(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Quantise to 8 bits, symmetrically, with a scale per row (Jacob et al., 2018, arXiv 1712.05877, with zero point 0).

    The scale is rounded to half precision before the integers are computed, because a half-precision Core ML package stores
    it that way. A row of zeros gets scale 1 and integers 0.

    Args:
        weight: float32 [rows, columns], finite.

    Returns:
        Integers int8 [rows, columns] in -127..127, and scales float32 [rows, 1]; their product approximates `weight`. It is
        coarser for rows with all magnitudes below 0.008: the finest scale of half precision is 6.1e-5.
    """
    half = torch.finfo(torch.float16)
    scale = weight.abs().amax(dim=1, keepdim=True) / _LARGEST
    scale = torch.where(scale > 0, scale.clamp(min=half.tiny, max=half.max).half().float(), 1.0)
    return torch.round(weight / scale).clamp(-_LARGEST, _LARGEST).to(torch.int8), scale


def quantise_weights(model: Classifier) -> None:
    """Store every large weight of the encoder as 8-bit integers with a scale per row, in place."""
    for module, weight in large_layers(model):
        integers, scale = quantise_rows(weight)
        store_as(module, "weight", integers, AffineWeight(scale))


@attrs.frozen(kw_only=True)
class Quantisation(Technique):
    """Stores every large weight of the encoder as 8-bit integers with a scale per row."""

    name = "quantisation"

    def apply(self, model: GoalModel, context: CompressionContext) -> GoalModel:
        """See `Technique.apply`; does not use the context."""
        smaller = model.copy()
        quantise_weights(smaller)
        return smaller
