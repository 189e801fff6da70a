"""Compressor: makes a trained model smaller, and says what that changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import attrs
import numpy as np

from goalkit.classifier import Classifier
from goalkit.compress.palettisation import palettise_weights
from goalkit.compress.quantisation import quantise_weights
from goalkit.datasets import Splits
from goalkit.errors import ConfigurationError
from goalkit.model import GoalModel

RECIPES: Mapping[str, Callable[[Classifier], None]] = {
    "int8": quantise_weights,
    "palette4": partial(palettise_weights, bits=4),
    "palette6": partial(palettise_weights, bits=6),
}
"""What a recipe does to a copy of the model, by name."""


@attrs.frozen
class Compression:
    """A compressed model, and how it compares with the one it was made from.

    `agreement` is the share of validation texts, a task, on which both choose the same label; it is empty if none were given.
    """

    model: GoalModel = attrs.field(repr=False)
    recipe: str
    bytes_before: int
    bytes_after: int
    agreement: dict[str, float]


def _check_recipe(instance: object, attribute: attrs.Attribute[str], value: str) -> None:
    if value not in RECIPES:
        raise ConfigurationError(f"there is no recipe {value!r}; the recipes are {', '.join(RECIPES)}")


@attrs.frozen
class Compressor:
    """Compresses models by a named recipe.

    `int8` stores weights as 8-bit integers with a scale a row, `palette4` and `palette6` as 4- or 6-bit indices into a table of
    values for each matrix.
    """

    recipe: str = attrs.field(validator=_check_recipe)

    @classmethod
    def from_recipe(cls, name: str) -> Compressor:
        """The compressor for a recipe. Raises ConfigurationError that lists the recipes for an unknown name."""
        return cls(name)

    def compress(self, model: GoalModel, splits: Splits | None = None) -> Compression:
        """Compress a copy of `model` and, given splits, compare the two on the texts of `splits.validation`.

        Raises:
            ConfigurationError: the model is compressed already, or a weight is not a finite number.
        """
        smaller = model.copy()
        RECIPES[self.recipe](smaller)
        texts = splits.validation.texts if splits else []
        before, after = model.predict_probabilities(texts), smaller.predict_probabilities(texts)
        agreement = {name: float(np.mean(before[name].argmax(1) == after[name].argmax(1))) for name in before if texts}
        return Compression(smaller, self.recipe, model.size_bytes(), smaller.size_bytes(), agreement)
