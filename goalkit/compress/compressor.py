"""Compressor: makes a trained model smaller, and measures the effect."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from goalkit.compress.budget import Budget
from goalkit.compress.compression import Compression, label_agreement
from goalkit.compress.contract import CompressionContext
from goalkit.compress.recipes import Recipe, RecipeLike, as_recipe
from goalkit.model import GoalModel
from goalkit.teacher import Teacher

if TYPE_CHECKING:
    from goalkit.datasets import Splits


@attrs.frozen
class Compressor:
    """Compresses models with a recipe, a sequence of techniques.

    The built-in recipes `int8` and `int8-gptq` store weights as 8-bit integers with a scale per row, `palette4` and `palette6`
    as 4- or 6-bit indices into a table of values per matrix; `w8a8` is `int8` with activations in 8 bits. `int8-gptq`, whose
    rounding is closer to the original, and `w8a8` need texts or splits.

    Args:
        recipe: the name of a built-in recipe or of a technique, a sequence of techniques, or a JSON file or its contents; see
            `goalkit.compress.as_recipe`.
    """

    recipe: Recipe = attrs.field(converter=as_recipe)

    @classmethod
    def from_recipe(cls, recipe: RecipeLike) -> Compressor:
        """Return the compressor for a recipe. Raises ConfigurationError, which lists the valid names and settings."""
        return cls(recipe)

    @classmethod
    def within(
        cls,
        *,
        size_mb: float | None = None,
        min_agreement: float | None = None,
        min_accuracy: float | None = None,
        **settings: Any,
    ) -> Budget:
        """Return a search for the recipe that makes the most of a budget; its `compress` is like that of a compressor.

            Compressor.within(size_mb=5, min_agreement=0.98).compress(model, splits, folder="build/within")

        Args:
            size_mb: largest package, in decimal megabytes.
            min_agreement: least share of validation texts, for each task, on which the model must choose the label of the
                original.
            min_accuracy: least accuracy on the validation rows, mean over tasks.
            settings: further settings of `goalkit.compress.Budget`.

        Raises:
            ConfigurationError: there is no bound, or a setting is invalid.
        """
        return Budget(size_mb=size_mb, min_agreement=min_agreement, min_accuracy=min_accuracy, **settings)

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
            ConfigurationError: a technique needs an argument that was not given, the model is already compressed, a technique
                cannot follow the one before it, or a weight is not a finite number.
        """
        context = CompressionContext(
            splits=splits,
            texts=tuple(texts),
            teacher=teacher,
            folder=None if folder is None else Path(folder),
            seed=seed,
            progress=progress,
        )
        smaller = self.recipe.apply(model, context)
        compared = splits.validation.texts if splits else []
        agreement = label_agreement(*(each.predict_probabilities(compared) for each in (model, smaller))) if compared else {}
        return Compression(smaller, self.recipe, model.size_bytes(), smaller.size_bytes(), agreement)
