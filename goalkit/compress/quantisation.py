"""Quantisation: weights as 8-bit integers with a scale a row."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from goalkit.errors import ConfigurationError
from goalkit.model import GoalModel
from goalkit.weights import AffineWeight, store_as

SMALLEST = 2048
"""Matrices with fewer elements stay as they are: there is nothing to gain (coremltools' own threshold)."""

_LARGEST = 127


def quantise_rows(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Symmetric 8-bit quantisation, a scale a row (Jacob et al., 2018, arXiv 1712.05877, with zero point 0).

    The scale is rounded to half precision before the integers are chosen, because that is how a Core ML package in
    half precision stores it. A row of zeros gets scale 1 and integers 0.

    Args:
        weight: float32 [rows, columns], finite.

    Returns:
        Integers int8 [rows, columns] in -127..127, and scales float32 [rows, 1]; their product is nearest to `weight`.
    """
    half = torch.finfo(torch.float16)
    scale = weight.abs().amax(dim=1, keepdim=True) / _LARGEST
    scale = torch.where(scale > 0, scale.clamp(min=half.tiny, max=half.max).half().float(), 1.0)
    return torch.round(weight / scale).clamp(-_LARGEST, _LARGEST).to(torch.int8), scale


def quantise_weights(model: GoalModel) -> None:
    """Store the weight of every large linear layer and embedding table of the encoder as 8-bit integers, in place.

    Heads keep full precision: they are small, and the updatable head is seeded from them.

    Raises:
        ConfigurationError: a weight is not a finite number, or is compressed already.
    """
    for name, module in model.encoder.named_modules():
        if isinstance(module, nn.Linear | nn.Embedding) and module.weight.numel() >= SMALLEST:
            if nn.utils.parametrize.is_parametrized(module):
                raise ConfigurationError(f"encoder.{name} is compressed already: compress the original model instead")
            weight = module.weight.detach()
            if not torch.isfinite(weight).all():
                raise ConfigurationError(f"encoder.{name}.weight holds NaN or infinity: train again from a sound model")
            integers, scale = quantise_rows(weight)
            store_as(module, "weight", integers, AffineWeight(scale))
