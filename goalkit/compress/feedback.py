"""Rounding with error feedback: what rounding a column does to a layer's outputs, the columns after it make up for."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

BLOCK = 128
"""Columns whose errors are passed on together to all columns after them."""

Rounding = Callable[[Tensor, slice], Tensor]
"""Rounds some columns of a weight, given their values [rows, n] and which they are, to values that can be stored."""


def round_with_feedback(weight: Tensor, moments: Tensor, rounded: Rounding) -> Tensor:
    """Round a weight so that the outputs of its layer change little (GPTQ; Frantar et al., 2023, arXiv 2210.17323).

    Columns are rounded one by one, those of the largest inputs first. The error of each is made up for, as far as its inputs
    are correlated with theirs, by the columns that are not rounded yet.

    Args:
        weight: float32 [rows, columns].
        moments: of the layer's inputs (see `second_moments`). Those of an embedding table are not correlated: its rows are
            just rounded.
        rounded: the rounding.

    Returns:
        Float32 [rows, columns], of rounded values.
    """
    if moments.ndim == 1:
        return rounded(weight, slice(None))
    order = torch.argsort(moments.diagonal(), descending=True, stable=True)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(moments[order][:, order]))
    factor = torch.linalg.cholesky(inverse, upper=True)
    left = weight.double().T[order].contiguous()  # transposed, so that a column is contiguous
    result = torch.empty_like(weight)
    for start in range(0, len(order), BLOCK):
        end = min(start + BLOCK, len(order))
        errors = torch.empty_like(left[start:end])
        for place in range(start, end):
            column = int(order[place])
            values = rounded(left[place].float().unsqueeze(1), slice(column, column + 1)).squeeze(1)
            result[:, column] = values
            errors[place - start] = (left[place] - values) / factor[place, place]
            left[place:end] -= torch.outer(factor[place, place:end], errors[place - start])
        left[end:] -= factor[start:end, end:].T @ errors
    return result
