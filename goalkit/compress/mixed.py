"""Mixed precision: palettes with more bits for the layers that need them, within a given size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from goalkit.compress.contract import CompressionContext
from goalkit.compress.inputs import representative_texts
from goalkit.compress.layers import large_layers
from goalkit.compress.palettisation import WIDTHS, PaletteTechnique, palettise_layer
from goalkit.configuration import between
from goalkit.errors import ConfigurationError
from goalkit.model import GoalModel
from goalkit.weights import TARGETS, PaletteForm, PaletteWeight, parts

MEASURED_TEXTS = 256

Costs = npt.NDArray[np.int64]
Losses = npt.NDArray[np.float64]


def _check_widths(instance: object, attribute: attrs.Attribute[Any], value: tuple[int, ...]) -> None:
    if not value or list(value) != sorted(set(value) & set(WIDTHS)):
        widths = ", ".join(map(str, WIDTHS))
        raise ConfigurationError(f"bits is {value!r}: give at least one of {widths}, each once, in this order")


@attrs.frozen(kw_only=True)
class MixedPrecision(PaletteTechnique):
    """Stores the large weights of the encoder as palettes, each with its own number of bits, so that a size is met.

    The loss of a layer's palette is how far it alone moves the model's probabilities: the Kullback-Leibler divergence, summed
    over tasks, on at most 256 texts. Starting from the fewest bits everywhere, bits are added where they lower the loss most
    per byte. If one width for all layers that fits is better on these texts, it is used.

    Args:
        size_mb: of the weights in a half-precision package, in 10^6 bytes; the program itself is about 0.1 MB more.
        bits: widths to choose from: of 1, 2, 3, 4, 6 and 8; 3 bits need iOS 18.
        group_size: see `PaletteTechnique`, as for the following.
        input_aware: whether to measure the inputs of layers.
        epochs: of training with rounded weights.
        learning_rate: of this training.
    """

    name = "mixed-precision"
    size_mb: float = attrs.field(validator=between(0, above=True))
    bits: tuple[int, ...] = attrs.field(default=(2, 4, 6, 8), validator=_check_widths)

    @property
    def oldest_target(self) -> str:
        """See `Technique.oldest_target`."""
        return max((PaletteForm(bits=bits, group_size=self.group_size).oldest_target for bits in self.bits), key=TARGETS.index)

    def apply(self, model: GoalModel, context: CompressionContext) -> GoalModel:
        """See `Technique.apply`; needs texts or splits, and splits if `epochs` is not 0; uses a folder if it is given.

        Raises:
            ConfigurationError: the size cannot be met.
        """
        return self.palettised(model, context, self.choose(model, context))

    def choose(self, model: GoalModel, context: CompressionContext) -> list[int]:
        """Return the bits of each large layer, in the order of `large_layers`. Arguments and errors as of `apply`."""
        costs, rest = self._costs(model)
        budget = int(self.size_mb * 1e6) - rest
        least = int(costs[:, 0].sum())
        if least > budget:
            raise ConfigurationError(
                f"size_mb is {self.size_mb}, and with {self.bits[0]} bits in all layers the model has "
                f"{(least + rest) / 1e6:.2f}: raise it, allow fewer bits, or drop layers or trim the vocabulary first"
            )
        texts = representative_texts(context, self, MEASURED_TEXTS)
        copy = model.copy()
        trial = _Trial(copy, texts, self.measured(copy, context) or {}, self.group_size)
        losses = np.zeros(costs.shape)
        with tqdm(total=costs.size, desc="measuring layers", unit="palette", disable=not context.progress) as bar:
            for layer, column in np.ndindex(*costs.shape):
                losses[layer, column] = trial.loss({layer: self.bits[column]})
                bar.update()
        mixed = [self.bits[column] for column in allocate(costs, losses, budget)]
        fitting = [bits for bits, cost in zip(self.bits, costs.sum(axis=0), strict=True) if cost <= budget]
        uniform = [fitting[-1]] * len(costs)
        return min(mixed, uniform, key=lambda bits: trial.loss(dict(enumerate(bits))))

    def _costs(self, model: GoalModel) -> tuple[Costs, int]:
        """Return the bytes of each layer with each width, [layers, widths], and the bytes of all other parameters."""
        weights = [weight for _, weight in large_layers(model)]
        costs = [
            [-(-weight.numel() * bits // 8) + 2 * 2**bits * parts(len(weight), self.group_size, "rows") for bits in self.bits]
            for weight in weights
        ]
        others = sum(each.numel() for each in model.parameters()) - sum(each.numel() for each in weights)
        return np.array(costs), 2 * others


class _Trial:
    """Measures a model with some of its layers palettised.

    Args:
        model: changed during measurements only.
        texts: on which probabilities are compared.
        moments: of the inputs of its layers.
        group_size: rows that share a table.
    """

    def __init__(
        self, model: GoalModel, texts: Sequence[str], moments: Mapping[nn.Module, Tensor], group_size: int | None
    ) -> None:
        self.model, self.texts, self.moments, self.group_size = model, texts, moments, group_size
        self.layers = list(large_layers(model))
        self.before = model.predict_probabilities(texts)

    @torch.no_grad()
    def loss(self, bits: Mapping[int, int]) -> float:
        """Return the divergence from the model's own probabilities, given the bits of layers by their numbers."""
        originals = {number: self.layers[number][1].clone() for number in bits}
        for number, width in bits.items():
            module, weight = self.layers[number]
            indices, palette = palettise_layer(weight, self.moments.get(module), bits=width, group_size=self.group_size)
            weight.copy_(PaletteWeight(palette, group_size=self.group_size)(indices))
        found = divergence(self.before, self.model.predict_probabilities(self.texts))
        for number, original in originals.items():
            self.layers[number][1].copy_(original)
        return found


def divergence(before: Mapping[str, npt.NDArray[np.float32]], after: Mapping[str, npt.NDArray[np.float32]]) -> float:
    """Return the Kullback-Leibler divergence of probabilities, [N, labels] per task: summed over tasks, the mean over texts."""
    logs = {name: [np.log(np.maximum(each[name].astype(np.float64), 1e-12)) for each in (before, after)] for name in before}
    return sum(float((before[name] * (own - other)).sum(axis=1).mean()) for name, (own, other) in logs.items())


def allocate(costs: Costs, losses: Losses, budget: int) -> list[int]:
    """Choose a column per row such that the costs fit in a budget and the losses are small: greedily, by loss per cost.

    Args:
        costs: [rows, columns], increasing along each row; the first column fits.
        losses: [rows, columns], added up.
        budget: the most that the chosen costs may sum to.

    Returns:
        The number of the chosen column of each row.
    """
    chosen = np.zeros(len(costs), dtype=np.int64)
    rows = np.arange(len(costs))
    while True:
        more = costs - costs[rows, chosen][:, None]
        less = losses[rows, chosen][:, None] - losses
        fits = (more > 0) & (less > 0) & (more <= budget - costs[rows, chosen].sum())
        if not fits.any():
            return [int(each) for each in chosen]
        ratios = np.where(fits, less / np.where(fits, more, 1), 0)
        row, column = np.unravel_index(ratios.argmax(), ratios.shape)
        chosen[row] = column
