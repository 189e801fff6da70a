"""Pruning: the smallest weights become zero, and the others learn to do without them."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from goalkit.compress.constrained import train_constrained
from goalkit.compress.contract import CompressionContext, Technique
from goalkit.compress.layers import large_layers
from goalkit.configuration import between
from goalkit.errors import ConfigurationError
from goalkit.model import GoalModel
from goalkit.weights import nonzeros, store_as


@attrs.frozen(kw_only=True)
class Pruning(Technique):
    """Sets the smallest weights of the encoder's large matrices to zero, and fine-tunes the rest of them.

    The share of zeros rises in rounds, quickly at first (Zhu & Gupta, 2017, arXiv 1710.01878); after each the model is trained
    for some epochs, in which zeros remain zeros. The result is a float model: only a sparse form afterwards, such as
    `Quantisation(sparse=True)`, makes it smaller.

    Args:
        amount: share of the weights that become zero.
        rounds: number of steps in which the share rises.
        epochs: maximum number of passes over the training rows after each round; 0: no fine-tuning.
        learning_rate: of the fine-tuning.
        group: weights next to each other in a row of which the same number becomes zero, as in 2 of 4; None: the smallest of a
            matrix, wherever they are. Core ML does not make use of groups.
    """

    name = "pruning"
    amount: float = attrs.field(default=0.5, validator=between(0, 0.98))
    rounds: int = attrs.field(default=3, validator=between(1, whole=True))
    epochs: int = attrs.field(default=1, validator=between(0, whole=True))
    learning_rate: float = attrs.field(default=1e-4, validator=between(0, 1, above=True))
    group: int | None = attrs.field(default=None, validator=attrs.validators.optional(between(2, whole=True)))

    def __attrs_post_init__(self) -> None:
        if self.group is not None and round(self.amount * self.group) in (0, self.group):
            raise ConfigurationError(f"an amount of {self.amount} leaves all or none of {self.group} weights: change one")

    def apply(self, model: GoalModel, context: CompressionContext) -> GoalModel:
        """See `Technique.apply`; needs splits unless `epochs` is 0, and uses a folder if it is given."""
        for number in range(1, self.rounds + 1):
            amount = self.amount * (1 - (1 - number / self.rounds) ** 3)
            model = train_constrained(
                model,
                lambda weight, amount=amount: _Masked(smallest(weight, amount, self.group) & (weight != 0)),  # type: ignore[misc]
                self,
                context,
                epochs=self.epochs,
                learning_rate=self.learning_rate,
                name=f"round-{number}",
            )
        return model


def smallest(weight: Tensor, amount: float, group: int | None = None) -> Tensor:
    """Return which weights to keep, bool [rows, columns]: not the smallest magnitudes, `amount` of all.

    Args:
        weight: float [rows, columns].
        amount: share of the weights to leave out, rounded to whole weights, or to whole weights of a group.
        group: size of groups of columns in each of which the same number is left out; None: the whole matrix is one group.

    Raises:
        ConfigurationError: the columns cannot be divided into such groups.
    """
    if group is None:
        method = prune.L1Unstructured(amount=amount)
        kept: Tensor = method.compute_mask(weight, torch.ones_like(weight))  # type: ignore[no-untyped-call]
        return kept.bool()
    if weight.shape[1] % group:
        raise ConfigurationError(f"{weight.shape[1]} columns cannot be divided into groups of {group}: choose a divisor")
    groups = weight.abs().reshape(len(weight), -1, group)
    ranks = groups.argsort(dim=2).argsort(dim=2)
    return (ranks >= round(amount * group)).reshape(weight.shape)


class _Masked(nn.Module):
    """A parametrisation that keeps zeros zero while the other weights are trained."""

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.mask: Tensor
        self.register_buffer("mask", mask)

    def forward(self, weight: Tensor) -> Tensor:
        return torch.where(self.mask, weight, 0.0)


@attrs.frozen(kw_only=True)
class SparseStorage(Technique):
    """Stores the weights of the encoder's large matrices that are not zero, in half precision, and a bit per weight.

    With half of the weights pruned, it needs 9 bits per weight, more than 8-bit integers. `Quantisation(sparse=True)` and
    `Palettisation(sparse=True)` need less, but iOS 18. In all sparse forms, magnitudes up to 0.00098 count as zero.
    """

    name = "sparse"

    def apply(self, model: GoalModel, context: CompressionContext) -> GoalModel:
        """See `Technique.apply`; does not use the context."""
        smaller = model.copy()
        for module, weight in large_layers(smaller):
            store_as(module, "weight", *nonzeros(weight))
        return smaller
