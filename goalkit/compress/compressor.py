"""Compressor: makes a trained model smaller, and measures the effect."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import numpy as np

from goalkit.compress.contract import CompressionContext
from goalkit.compress.recipes import Recipe, RecipeLike, as_recipe
from goalkit.configuration import to_dict
from goalkit.model import GoalModel
from goalkit.teacher import Teacher

if TYPE_CHECKING:
    from goalkit.datasets import Splits


@attrs.frozen
class Compression:
    """A compressed model, the recipe used, and its agreement with the original model.

    `agreement` is, per task, the share of validation texts on which both choose the same label; it is empty without splits.
    """

    model: GoalModel = attrs.field(repr=False)
    recipe: Recipe
    bytes_before: int
    bytes_after: int
    agreement: dict[str, float]

    def save(self, folder: str | Path) -> Path:
        """Write the model folder, including `recipe.json`, from which `Compressor.from_recipe` makes the compressor again.

        Raises:
            StorageError: the folder cannot be written.
        """
        return self.model.save(folder, records={"recipe.json": to_dict(self.recipe)})


@attrs.frozen
class Compressor:
    """Compresses models with a recipe, a sequence of techniques.

    The built-in recipe `int8` stores weights as 8-bit integers with a scale per row, `palette4` and `palette6` as 4- or 6-bit
    indices into a table of values per matrix; `w8a8` is `int8` with activations in 8 bits, and needs texts or splits.

    Args:
        recipe: the name of a built-in recipe or of a technique, a sequence of techniques, or a JSON file or its contents; see
            `goalkit.compress.as_recipe`.
    """

    recipe: Recipe = attrs.field(converter=as_recipe)

    @classmethod
    def from_recipe(cls, recipe: RecipeLike) -> Compressor:
        """Return the compressor for a recipe. Raises ConfigurationError, which lists the valid names and settings."""
        return cls(recipe)

    def compress(
        self,
        model: GoalModel,
        splits: Splits | None = None,
        *,
        texts: Sequence[str] = (),
        teacher: Teacher | None = None,
        folder: str | Path | None = None,
        seed: int = 0,
        progress: bool = True,
    ) -> Compression:
        """Apply the techniques to a copy of `model` and, given splits, compare both models on the texts of `splits.validation`.

        Args:
            model: not changed.
            splits: labelled texts, for techniques that learn, and for the comparison.
            texts: unlabelled texts, for techniques that learn from them.
            teacher: a model to learn from.
            folder: where slow techniques keep their state, each in a folder of its own, to be resumed.
            seed: for all random numbers.
            progress: show progress bars.

        Raises:
            ConfigurationError: a technique needs an argument that was not given, the model is already compressed, or a weight
                is not a finite number.
        """
        context = CompressionContext(
            splits=splits,
            texts=tuple(texts),
            teacher=teacher,
            seed=seed,
            progress=progress,
        )
        smaller = model
        for number, technique in enumerate(self.recipe.techniques, 1):
            own = None if folder is None else Path(folder) / f"{number}-{technique.name}"
            smaller = technique.apply(smaller, attrs.evolve(context, folder=own))
        compared = splits.validation.texts if splits else []
        before, after = model.predict_probabilities(compared), smaller.predict_probabilities(compared)
        agreement = {name: float(np.mean(before[name].argmax(1) == after[name].argmax(1))) for name in before if compared}
        return Compression(smaller, self.recipe, model.size_bytes(), smaller.size_bytes(), agreement)
