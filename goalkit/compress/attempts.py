"""Attempts: makes the model of a recipe, and measures it."""

from __future__ import annotations

import hashlib

import attrs

from goalkit.compress.compression import Probabilities, label_agreement
from goalkit.compress.contract import CompressionContext
from goalkit.compress.front import Candidate
from goalkit.compress.recipes import Recipe
from goalkit.datasets import Dataset
from goalkit.errors import DatasetError
from goalkit.evaluation.scores import rows_to_score, score
from goalkit.model import GoalModel
from goalkit.weights import check_target, estimated_package_bytes


@attrs.frozen
class Attempts:
    """Recipes tried on one model.

    Args:
        model: the original, not compressed.
        rows: what to score by, labelled for some of the model's tasks.
        context: its folder gets a folder per recipe.
        target: the oldest system that must run the results.
        expected: probabilities of the original on the rows.
    """

    model: GoalModel
    rows: Dataset
    context: CompressionContext
    target: str
    expected: Probabilities

    @classmethod
    def of(cls, model: GoalModel, rows: Dataset, context: CompressionContext, target: str) -> Attempts:
        """Prepare attempts. Raises DatasetError if there are no rows, or none that are labelled for a task of the model."""
        if not len(rows):
            raise DatasetError("there are no validation rows to score by: split the data with a share for validation")
        rows = rows_to_score(model, rows)
        return cls(model, rows, context, target, model.predict_probabilities(rows.texts))

    def make(self, recipe: Recipe) -> GoalModel:
        """Return the model of a recipe. Training of an earlier attempt in the same folder is resumed."""
        folder = self.context.folder
        own = None if folder is None else folder / hashlib.sha256(str(recipe).encode()).hexdigest()[:12]
        return recipe.apply(self.model, attrs.evolve(self.context, folder=own))

    def accuracies(self, probabilities: Probabilities) -> dict[str, float]:
        """Return the accuracy per task of probabilities for the rows."""
        return {each.task: each.accuracy for each in score(self.rows.tasks, self.rows, probabilities)}

    def candidate(self, recipe: Recipe) -> Candidate:
        """Make the model of a recipe and measure it; its size is estimated.

        Raises:
            GoalkitError: see `Recipe.apply`; a ConfigurationError if the target lacks a form of its weights.
        """
        smaller = self.make(recipe)
        check_target(smaller, self.target)
        found = smaller.predict_probabilities(self.rows.texts)
        return Candidate(
            recipe=recipe,
            package_bytes=estimated_package_bytes(smaller),
            accuracies=self.accuracies(found),
            agreements=label_agreement(self.expected, found),
        )
