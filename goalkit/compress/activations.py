"""Quantisation of activations: inputs of layers as 8-bit integers, with ranges measured on texts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import attrs
import numpy as np
import torch
from torch import nn

from goalkit.compress.contract import CompressionContext, Technique
from goalkit.compress.inputs import representative_texts
from goalkit.compress.layers import large_linear_layers
from goalkit.configuration import between
from goalkit.errors import ConfigurationError
from goalkit.model import GoalModel
from goalkit.weights import QuantisedInput, half_scale, quantise_input, quantised_inputs, restore_inputs
from goalkit.weights.activations import HIGHEST

RANKED_ON = 64
"""Number of texts on which the sensitivity of each layer is measured."""


@attrs.frozen(kw_only=True)
class ActivationQuantisation(Technique):
    """Rounds the inputs of the encoder's large linear layers to 8-bit integers, symmetrically, with a scale per layer.

    A range reaches to a percentile of the magnitudes that the layer reads, and larger ones are clipped (Wu et al., 2020,
    arXiv 2004.09602): a few activations of a transformer are so large that a range which holds them leaves the others too few
    steps. The magnitudes are measured on the unlabelled texts, if there are any, or else on the training rows. The most
    sensitive layers are left out: those whose rounding alone changes the embeddings most (the same paper's partial
    quantisation).

    It is meant to make a model faster, where Core ML multiplies integers, not smaller: combine it with `Quantisation`. If
    `Quantisation(epochs=...)` follows, the model is trained with both roundings. It needs iOS 17.

    Args:
        percentile: of the magnitudes; 100 is their maximum.
        texts: number of texts to measure, evenly spaced if there are more.
        float_share: share of the layers that are left out, rounded down to whole layers.
    """

    name = "activation-quantisation"
    percentile: float = attrs.field(default=99.995, validator=between(50, 100))
    texts: int = attrs.field(default=512, validator=between(1, whole=True))
    float_share: float = attrs.field(default=0.2, validator=between(0, 0.9))

    @property
    def oldest_target(self) -> str:
        """See `Technique.oldest_target`."""
        return QuantisedInput.oldest_target

    def apply(self, model: GoalModel, context: CompressionContext) -> GoalModel:
        """See `Technique.apply`; needs texts or splits."""
        if any(quantised_inputs(model)):
            raise ConfigurationError("the inputs of the model's layers are quantised already: start from the original model")
        sample = representative_texts(context, self, self.texts)
        smaller = model.copy()
        limits = measured_limits(smaller, sample, self.percentile)
        inputs = {
            layer: QuantisedInput(scale=float(half_scale(torch.tensor(limit / HIGHEST)))) for layer, limit in limits.items()
        }
        left_out = int(self.float_share * len(inputs))
        order = by_sensitivity(smaller, inputs, sample[:RANKED_ON]) if left_out else list(inputs)
        for layer in order[left_out:]:
            quantise_input(layer, inputs[layer])
        return smaller


def measured_limits(model: GoalModel, texts: list[str], percentile: float) -> dict[nn.Linear, float]:
    """Return this percentile of the magnitudes of the inputs of each large linear layer that runs.

    Raises:
        ConfigurationError: an input is not a finite number.
    """
    layers = large_linear_layers(model)
    magnitudes = {name: Magnitudes() for name in layers}
    with ExitStack() as hooks:
        for name, layer in layers.items():
            hooks.callback(layer.register_forward_pre_hook(magnitudes[name]).remove)
        model.embed(texts)
    for name, each in magnitudes.items():
        if not each.finite:
            raise ConfigurationError(f"the input of {name} holds NaN or infinity: train again from a sound model")
    return {layers[name]: each.percentile(percentile) for name, each in magnitudes.items() if each.total}


def by_sensitivity(model: GoalModel, inputs: Mapping[nn.Linear, QuantisedInput], texts: list[str]) -> list[nn.Linear]:
    """Return the layers in order, first the one whose rounding alone changes the embeddings of texts most."""
    exact = model.embed(texts)
    errors = {}
    for layer, quantised in inputs.items():
        quantise_input(layer, quantised)
        errors[layer] = float(np.square(model.embed(texts) - exact).mean())
        restore_inputs(layer)
    return sorted(errors, key=errors.__getitem__, reverse=True)


class Magnitudes:
    """Counts the magnitudes of a layer's inputs, as a forward pre-hook, in memory that does not grow with them.

    The bins are the numbers with 10 bits of fraction, as many as half precision has, so that a percentile is exact to 0.1 %.
    """

    SHIFT = 23 - 10
    INFINITY = 0x7F800000 >> SHIFT

    def __init__(self) -> None:
        self.counts = torch.zeros(2 ** (31 - self.SHIFT), dtype=torch.int64)

    def __call__(self, layer: nn.Module, arguments: tuple[Any, ...]) -> None:
        """Count the first argument of the layer, float of any shape."""
        # the bits of positive numbers, read as integers, are in the order of the numbers
        bits = arguments[0].detach().float().abs().flatten().view(torch.int32) >> self.SHIFT
        self.counts += torch.bincount(bits.cpu(), minlength=len(self.counts))

    @property
    def total(self) -> int:
        """How many were counted."""
        return int(self.counts.sum())

    @property
    def finite(self) -> bool:
        """Whether all were finite numbers."""
        return not self.counts[self.INFINITY :].any()

    def percentile(self, percentile: float) -> float:
        """Return the end of the bin that holds a percentile, at least one must have been counted."""
        rank = max(1, math.ceil(self.total * percentile / 100))
        place = torch.searchsorted(self.counts.cumsum(0), rank)
        return float(((place + 1).to(torch.int32) << self.SHIFT).view(torch.float32))
