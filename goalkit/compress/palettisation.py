"""Palettisation: weights as small indices into a table of values fitted to each matrix."""

from __future__ import annotations

import attrs
import numpy as np
import torch
from torch import Tensor

from goalkit.classifier import Classifier
from goalkit.compress.contract import CompressionContext, Technique
from goalkit.compress.layers import large_layers
from goalkit.configuration import between
from goalkit.model import GoalModel
from goalkit.weights import PaletteWeight, store_as

ROUNDS = 1000
BINS = 4096


def fit_palette(weight: Tensor, bits: int) -> Tensor:
    """Fit the table of 2^bits values with the least squared error: k-means in one dimension (Lloyd, 1982).

    It starts from a table as dense as the cube root of the weights' density, which is best for very many values (Panter & Dite,
    1951), and runs to convergence. In one dimension clusters are intervals of the sorted numbers, so each iteration is a few
    sums of intervals.

    Args:
        weight: float32, finite.
        bits: per index.

    Returns:
        Float32 [2^bits], increasing, each representable in half precision, as in a half-precision Core ML package.
    """
    numbers = np.sort(weight.numpy(), axis=None).astype(np.float64)
    sums = np.concatenate([[0.0], np.cumsum(numbers)])
    counts, bounds = np.histogram(numbers, BINS)
    shares = np.concatenate([[0.0], np.cumsum(np.cbrt(counts))])
    values = np.interp((np.arange(2**bits) + 0.5) / 2**bits * shares[-1], shares, bounds)
    for _ in range(ROUNDS):
        edges = np.concatenate([[0], np.searchsorted(numbers, (values[1:] + values[:-1]) / 2), [len(numbers)]])
        counts = np.diff(edges)
        means = np.diff(sums[edges]) / np.maximum(counts, 1)
        moved = np.where(counts > 0, means, values)
        if np.array_equal(moved, values):
            break
        values = moved
    halves = np.unique(values.astype(np.float16).astype(np.float32))
    spare = halves[-1] + np.arange(1, 2**bits - len(halves) + 1, dtype=np.float32)  # unused, but the size of the table is fixed
    return torch.from_numpy(np.concatenate([halves, spare]))


def nearest(weight: Tensor, palette: Tensor) -> Tensor:
    """Return the index, uint8, of the value in an increasing table nearest to each weight."""
    middles = (palette[1:] + palette[:-1]) / 2
    return torch.bucketize(weight, middles).to(torch.uint8)


def palettise_weights(model: Classifier, bits: int) -> None:
    """Store every large weight of the encoder as indices of `bits` bits into its own table, in place."""
    for module, weight in large_layers(model):
        palette = fit_palette(weight, bits)
        store_as(module, "weight", nearest(weight, palette), PaletteWeight(palette))


@attrs.frozen(kw_only=True)
class Palettisation(Technique):
    """Stores every large weight of the encoder as indices into its own table.

    Args:
        bits: per index; the table has 2^bits values.
    """

    name = "palettisation"
    bits: int = attrs.field(default=4, validator=between(1, 8, whole=True))

    def apply(self, model: GoalModel, context: CompressionContext) -> GoalModel:
        """See `Technique.apply`; does not use the context."""
        smaller = model.copy()
        palettise_weights(smaller, self.bits)
        return smaller
