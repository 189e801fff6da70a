"""Tables of values for the weights of a matrix, and the indices of the values nearest to them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from goalkit.weights import parts

ROUNDS = 1000
BINS = 4096

Numbers = npt.NDArray[np.float64]


def fit_palette(weight: Tensor, bits: int, importance: Tensor | None = None) -> Tensor:
    """Fit the table of 2^bits values with the least squared error: k-means in one dimension (Lloyd, 1982).

    It starts from a table as dense as the cube root of the weights' density, which is best for very many values (Panter & Dite,
    1951), and runs to convergence. In one dimension clusters are intervals of the sorted numbers, so each iteration is a few
    sums of intervals. If there are no more than 2^bits different weights, these are the values.

    Args:
        weight: float32, finite.
        bits: per index.
        importance: positive factors of the squared errors, of the same shape; None: all equal.

    Returns:
        Float32 [2^bits], increasing, each representable in half precision, as in a half-precision Core ML package.
    """
    numbers = weight.numpy().ravel().astype(np.float64)
    order = np.argsort(numbers, kind="stable")
    numbers = numbers[order]
    masses = np.ones_like(numbers) if importance is None else importance.numpy().ravel().astype(np.float64)[order]
    different = numbers[np.diff(numbers, prepend=-np.inf) > 0]
    values = different if len(different) <= 2**bits else _means(numbers, masses, 2**bits)
    halves = np.unique(values.astype(np.float16).astype(np.float32))
    spare = halves[-1] + np.arange(1, 2**bits - len(halves) + 1, dtype=np.float32)  # unused, but the size of the table is fixed
    return torch.from_numpy(np.concatenate([halves, spare]))


def _means(numbers: Numbers, masses: Numbers, count: int) -> Numbers:
    """Return the means of `count` clusters of sorted numbers, each as often as its mass says."""
    sums, total = (np.concatenate([[0.0], np.cumsum(each)]) for each in (masses * numbers, masses))
    density, bounds = np.histogram(numbers, BINS, weights=masses)
    shares = np.concatenate([[0.0], np.cumsum(np.cbrt(density))])
    values: Numbers = np.interp((np.arange(count) + 0.5) / count * shares[-1], shares, bounds)
    for _ in range(ROUNDS):
        edges = np.concatenate([[0], np.searchsorted(numbers, (values[1:] + values[:-1]) / 2), [len(numbers)]])
        mass = np.diff(total[edges])
        moved = np.where(mass > 0, np.diff(sums[edges]) / np.where(mass > 0, mass, 1), values)
        if np.array_equal(moved, values):
            break
        values = moved
    return values


def nearest(weight: Tensor, palette: Tensor) -> Tensor:
    """Return the index, uint8, of the value nearest to each weight.

    Args:
        weight: float [rows, n].
        palette: increasing values [values], or [groups, values] for as many groups of rows.
    """
    tables = palette.reshape(-1, palette.shape[-1])
    middles = (tables[:, 1:] + tables[:, :-1]) / 2
    grouped = weight.reshape(len(tables), -1)
    return torch.searchsorted(middles, grouped.contiguous()).to(torch.uint8).reshape(weight.shape)


def palettise(
    weight: Tensor, *, bits: int, group_size: int | None = None, zeros: bool = True, importance: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Fit a table per matrix or per group of rows, and return the indices of its values nearest to the weights.

    Args:
        weight: float32 [rows, columns], finite.
        bits: per index.
        group_size: rows that share a table, a divisor of their number; None: all.
        zeros: fit the tables to zero weights, too; the index of a zero is not used otherwise.
        importance: positive factors of the squared errors, of a shape that is broadcast to that of `weight`; None: all equal.

    Returns:
        Indices uint8 [rows, columns], and tables float32 [2^bits], or [groups, 2^bits].

    Raises:
        ModelError: the rows cannot be divided into groups of that size.
    """
    count = parts(weight.shape[0], group_size, "rows")
    factors = torch.ones(()) if importance is None else importance
    tables = []
    for group, own in zip(weight.chunk(count), factors.expand_as(weight).chunk(count), strict=True):
        fitted = torch.ones_like(group, dtype=torch.bool) if zeros or not group.any() else group != 0
        tables.append(fit_palette(group[fitted], bits, own[fitted]))
    palette = tables[0] if group_size is None else torch.stack(tables)
    return nearest(weight, palette), palette
