"""Which layers are worth compressing."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from goalkit.classifier import Classifier
from goalkit.errors import ConfigurationError

SMALLEST = 2048
"""Matrices with fewer elements are not compressed, as little would be gained (coremltools' own threshold)."""


def large_linear_layers(model: Classifier) -> dict[str, nn.Linear]:
    """Return the large linear layers of the encoder by name; their weights may be in a stored form."""
    return {
        name: module
        for name, module in model.encoder.named_modules(prefix="encoder")
        if isinstance(module, nn.Linear) and module.in_features * module.out_features >= SMALLEST
    }


def large_layers(model: Classifier) -> Iterator[tuple[nn.Module, Tensor]]:
    """Yield the large linear layers and embedding tables of the encoder, each with its weight, float32 [rows, columns].

    Heads are left out: they are small, and the updatable head is seeded from them.

    Raises:
        ConfigurationError: a weight is not a finite number, or is already compressed.
    """
    for name, module in list(model.encoder.named_modules()):
        if isinstance(module, nn.Linear | nn.Embedding) and module.weight.numel() >= SMALLEST:
            if parametrize.is_parametrized(module):
                raise ConfigurationError(
                    f"encoder.{name} is compressed already: compress the original model, or export this as it is"
                )
            weight = module.weight.detach()
            if not torch.isfinite(weight).all():
                raise ConfigurationError(f"encoder.{name}.weight holds NaN or infinity: train again from a sound model")
            yield module, weight
