"""Compression: a compressed model, and how it compares with the original."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from goalkit.compress.recipes import Recipe
from goalkit.configuration import to_dict
from goalkit.model import GoalModel

Probabilities = Mapping[str, npt.NDArray[np.float32]]


def label_agreement(before: Probabilities, after: Probabilities) -> dict[str, float]:
    """Return per task the share of texts with the same label, from probabilities [N, labels] per task; N is at least 1."""
    return {name: float(np.mean(before[name].argmax(1) == after[name].argmax(1))) for name in before}


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

    def save(self, folder: str | Path, *, records: Mapping[str, Any] | None = None) -> Path:
        """Write the model folder, including `recipe.json`, from which `Compressor.from_recipe` makes the compressor again.

        Args:
            folder: where to write.
            records: further files of the folder: by name, what they hold, ready for JSON.

        Raises:
            StorageError: the folder cannot be written.
        """
        return self.model.save(folder, records={"recipe.json": to_dict(self.recipe), **(records or {})})
