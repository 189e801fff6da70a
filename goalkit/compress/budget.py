"""Budget: searches for the recipe that makes the best model of a given size, or the smallest one that is good enough."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from goalkit.compress.compression import Compression
from goalkit.compress.contract import CompressionContext
from goalkit.compress.front import BudgetResult, Candidate
from goalkit.compress.recipes import Recipe, RecipeLike, as_recipe
from goalkit.compress.space import Space, runs_on
from goalkit.compress.trials import run_trials
from goalkit.configuration import between, one_of
from goalkit.errors import BudgetError, ConfigurationError
from goalkit.extras import extra
from goalkit.model import GoalModel
from goalkit.storage import combined_digest
from goalkit.teacher import Teacher
from goalkit.weights import TARGETS, estimated_package_bytes, stored_weights

if TYPE_CHECKING:
    from goalkit.datasets import Splits

STUDY, TRIALS = "study.journal", "trials"
"""Names in the folder of a search."""

DEFAULT_TRIALS = 24


def _as_recipes(given: Iterable[RecipeLike]) -> tuple[Recipe, ...]:
    return tuple(map(as_recipe, given))


@attrs.frozen(kw_only=True)
class Budget:
    """Bounds of a compressed model, at least one, and what to try in order to keep within them.

    With `size_mb`, `compress` returns the most accurate model within the bounds, otherwise the smallest.

    Args:
        size_mb: largest package, in decimal megabytes.
        min_agreement: least share of validation texts on which the model must choose the label of the original, for each task.
        min_accuracy: least accuracy on the validation rows, mean over tasks.
        deployment_target: the oldest system that must run the model: "iOS16", "iOS17" or "iOS18".
        recipes: the only recipes to try; by default the built-in techniques are combined.
        layers: for each alternative to all layers, the numbers of the layers to keep by `Distillation`, which is slow.
        trials: number of recipes to try; by default 24, or all of `recipes`.
    """

    size_mb: float | None = attrs.field(default=None, validator=attrs.validators.optional(between(0, above=True)))
    min_agreement: float | None = attrs.field(default=None, validator=attrs.validators.optional(between(0, 1)))
    min_accuracy: float | None = attrs.field(default=None, validator=attrs.validators.optional(between(0, 1)))
    deployment_target: str = attrs.field(default="iOS16", validator=one_of(*TARGETS))
    recipes: tuple[Recipe, ...] = attrs.field(default=(), converter=_as_recipes)
    layers: tuple[tuple[int, ...], ...] = ()
    trials: int | None = attrs.field(default=None, validator=attrs.validators.optional(between(1, whole=True)))

    def __attrs_post_init__(self) -> None:
        if not self.bounds:
            raise ConfigurationError("a budget has no bounds: give size_mb, min_agreement or min_accuracy")
        if self.recipes and self.layers:
            raise ConfigurationError("layers are for the built-in recipes: leave recipes out, or put a Distillation in them")
        for recipe in self.recipes:
            if not runs_on(recipe.techniques, self.deployment_target):
                raise ConfigurationError(
                    f"the recipe {recipe} needs a newer system than {self.deployment_target}: leave it out, or give another "
                    "deployment_target"
                )

    @property
    def bounds(self) -> dict[str, float]:
        """The bounds that were given, by name."""
        found = {name: getattr(self, name) for name in ("size_mb", "min_agreement", "min_accuracy")}
        return {name: value for name, value in found.items() if value is not None}

    def __str__(self) -> str:
        return ", ".join(f"{name}={value:g}" for name, value in self.bounds.items())

    def excess(self, candidate: Candidate) -> float:
        """By how much a candidate misses the bounds: the sum of the shares by which it misses each; 0 if it keeps them all."""
        size, agreement, accuracy = self.size_mb, self.min_agreement or 0.0, self.min_accuracy or 0.0
        return (
            (0.0 if size is None else max(0.0, candidate.package_bytes / (size * 1e6) - 1))
            + max(0.0, agreement - candidate.agreement)
            + max(0.0, accuracy - candidate.accuracy)
        )

    def _preference(self, candidate: Candidate) -> tuple[float, ...]:
        """Sort key of candidates that keep within all bounds, the best first."""
        quality, size = (-candidate.accuracy, -candidate.agreement), (float(candidate.package_bytes),)
        return size + quality if self.size_mb is None else quality + size

    def compress(
        self,
        model: GoalModel,
        splits: Splits,
        *,
        folder: str | Path,
        texts: Sequence[str] = (),
        teacher: Teacher | None = None,
        measure: Callable[[GoalModel], int] | None = None,
        seed: int = 0,
        progress: bool = True,
    ) -> BudgetResult:
        """Try recipes on `model`, and return the best model within the bounds.

        Quick recipes are tried first. The search can be stopped at any moment and called again with the same folder: no trial
        that has ended is repeated, also if the bounds or the number of trials have changed. A technique that does not go with
        the model ends its trial, and a warning says why.

        Args:
            model: not compressed, and not changed.
            splits: `train` for techniques that learn, `validation` to score by; `test` is not used.
            folder: for the trials; made if it is not there.
            texts: unlabelled texts, for techniques that learn from them.
            teacher: a model to learn from.
            measure: gives the bytes of the package of a model, such as `CoreMLExporter().package_bytes`, for the bound of the
                size to hold for the real package of the best model. Sizes are otherwise estimated, mostly within 3 %.
            seed: for all random numbers.
            progress: show a progress bar.

        Raises:
            BudgetError: no candidate keeps within the bounds; the message describes the nearest.
            ConfigurationError: the model is already compressed, or no technique goes with it.
            DatasetError: there are no validation rows, or none of the model's tasks.
            TrainingError: the folder belongs to another model, other data, recipes or seed, or cannot be read.
            StorageError: the folder cannot be written.
        """
        with extra("train"):
            from goalkit.compress.attempts import Attempts

        if any(stored_weights(model)):
            raise ConfigurationError("the model is compressed already: give the model as it was before")
        folder = Path(folder)
        context = CompressionContext(
            splits=splits, texts=tuple(texts), teacher=teacher, folder=folder / TRIALS, seed=seed, progress=False
        )
        attempts = Attempts.of(model, splits.validation, context, self.deployment_target)
        identity = {
            "model_sha256": model.digest(),
            "data_sha256": combined_digest({"train": splits.train.digest(), "validation": splits.validation.digest()}),
            "texts_sha256": hashlib.sha256("\n".join(context.texts).encode()).hexdigest(),
            "deployment_target": self.deployment_target,
            "seed": seed,
        }
        candidates = run_trials(
            Space.of(layers=self.layers, recipes=self.recipes, target=self.deployment_target),
            attempts.candidate,
            folder / STUDY,
            identity,
            limit=self.trials or len(self.recipes) or DEFAULT_TRIALS,
            seed=seed,
            progress=progress,
        )
        if not candidates:
            raise ConfigurationError("no recipe goes with this model, as the warnings say: give other recipes")
        for chosen in sorted((each for each in candidates if not self.excess(each)), key=self._preference):
            best, smaller = chosen, attempts.make(chosen.recipe)
            if measure is not None:
                best = attrs.evolve(chosen, package_bytes=measure(smaller), measured=True)
                candidates[candidates.index(chosen)] = best
            if not self.excess(best):
                return BudgetResult(
                    compression=Compression(smaller, best.recipe, model.size_bytes(), smaller.size_bytes(), best.agreements),
                    best=best,
                    candidates=tuple(candidates),
                    bytes_before=estimated_package_bytes(model),
                    accuracies_before=attempts.accuracies(attempts.expected),
                )
        raise BudgetError(
            f"none of {len(candidates)} recipes keeps within {self}; the nearest is {min(candidates, key=self.excess)}: relax "
            f"a bound, or allow more trials, a newer deployment_target or fewer layers; {folder} keeps the trials"
        )
