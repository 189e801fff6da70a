"""Palettisation: weights as small indices into tables of values, fitted to each matrix or group of its rows."""

from __future__ import annotations

import attrs
import numpy as np
import torch
from torch import Tensor

from goalkit.classifier import Classifier
from goalkit.compress.contract import CompressionContext, Technique
from goalkit.compress.layers import large_layers
from goalkit.configuration import among, between
from goalkit.model import GoalModel
from goalkit.weights import PaletteForm, PaletteWeight, SparseForm, nonzeros, parts, store_as

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


def palettise(weight: Tensor, *, bits: int, group_size: int | None = None, zeros: bool = True) -> tuple[Tensor, Tensor]:
    """Fit a table per matrix or per group of rows, and return the indices of its values nearest to the weights.

    Args:
        weight: float32 [rows, columns], finite.
        bits: per index.
        group_size: rows that share a table, a divisor of their number; None: all.
        zeros: fit the tables to zero weights, too; the index of a zero is not used otherwise.

    Returns:
        Indices uint8 [rows, columns], and tables float32 [2^bits], or [groups, 2^bits].

    Raises:
        ModelError: the rows cannot be divided into groups of that size.
    """
    groups = weight.chunk(parts(weight.shape[0], group_size, "rows"))
    palettes = [fit_palette(group if zeros or not group.any() else group[group != 0], bits) for group in groups]
    indices = torch.cat([nearest(group, palette) for group, palette in zip(groups, palettes, strict=True)])
    return indices, palettes[0] if group_size is None else torch.stack(palettes)


def palettise_weights(model: Classifier, bits: int, *, group_size: int | None = None, sparse: bool = False) -> None:
    """Store every large weight of the encoder as indices of `bits` bits into tables of values, in place.

    Args:
        model: not compressed.
        bits: per index.
        group_size: rows that share a table; None: all.
        sparse: fit the tables to the weights that are not zero, and store only their indices.
    """
    for module, weight in large_layers(model):
        indices, palette = palettise(weight, bits=bits, group_size=group_size, zeros=not sparse)
        storage = PaletteWeight(palette, group_size=group_size)
        kept, stored = nonzeros(indices, storage, weight != 0) if sparse else (indices, storage)
        store_as(module, "weight", kept, stored)


@attrs.frozen(kw_only=True)
class Palettisation(Technique):
    """Stores every large weight of the encoder as indices into a table of values per matrix, or per group of rows.

    Args:
        bits: per index: 1, 2, 3, 4, 6 or 8; 3 bits need iOS 18.
        group_size: rows that share a table; None: all rows of the matrix. Groups need iOS 18.
        sparse: fit the tables to the weights that are not zero, and store only their indices and a bit per weight. It needs iOS
            18.
    """

    name = "palettisation"
    bits: int = attrs.field(default=4, validator=among(1, 2, 3, 4, 6, 8))
    group_size: int | None = attrs.field(default=None, validator=attrs.validators.optional(between(1, whole=True)))
    sparse: bool = False

    @property
    def oldest_target(self) -> str:
        """See `Technique.oldest_target`."""
        form = PaletteForm(bits=self.bits, group_size=self.group_size)
        return (SparseForm(nonzeros=0, values=form) if self.sparse else form).oldest_target

    def apply(self, model: GoalModel, context: CompressionContext) -> GoalModel:
        """See `Technique.apply`; does not use the context."""
        smaller = model.copy()
        palettise_weights(smaller, self.bits, group_size=self.group_size, sparse=self.sparse)
        return smaller
