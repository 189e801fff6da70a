"""What a search for a recipe tries: alternatives per stage, combined."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import attrs

from goalkit.compress.contract import Technique
from goalkit.compress.distillation import Distillation
from goalkit.compress.palettisation import Palettisation
from goalkit.compress.pruning import Pruning
from goalkit.compress.quantisation import Quantisation
from goalkit.compress.recipes import Recipe
from goalkit.compress.structured import StructuredPruning
from goalkit.compress.vocabulary import VocabularyTrimming
from goalkit.weights import TARGETS

if TYPE_CHECKING:
    from optuna import Trial

Alternative = tuple[Technique, ...]
"""Techniques to apply in a stage; may be empty."""

VOCABULARY: tuple[Alternative, ...] = (
    (VocabularyTrimming(),),
    (VocabularyTrimming(coverage=0.999),),
    (VocabularyTrimming(coverage=0.99),),
)
"""Pieces to drop. The first alternative changes no embedding, so that there is no reason to keep the whole vocabulary."""

STORAGE: tuple[Alternative, ...] = (
    (Quantisation(),),
    (Palettisation(bits=4, input_aware=True),),
    (Palettisation(bits=6, input_aware=True),),
    (Palettisation(bits=2, input_aware=True),),
    (Palettisation(bits=3, input_aware=True),),
    (Palettisation(bits=4, group_size=16, input_aware=True),),
    (Quantisation(bits=4, block_size=32, input_aware=True),),
    (Palettisation(bits=8),),
    (Palettisation(bits=3, group_size=16, input_aware=True),),
    (Palettisation(bits=2, group_size=16, input_aware=True),),
    (Pruning(amount=0.3, epochs=0), Quantisation(sparse=True)),
    (Pruning(amount=0.3, epochs=0), Palettisation(bits=4, sparse=True)),
    (Palettisation(bits=4, input_aware=True, epochs=2),),
    (Palettisation(bits=3, input_aware=True, epochs=2),),
    (Palettisation(bits=2, input_aware=True, epochs=2),),
    (Pruning(amount=0.5), Quantisation(sparse=True)),
    (Pruning(amount=0.5), Palettisation(bits=4, sparse=True)),
    (StructuredPruning(), Quantisation()),
    (StructuredPruning(), Palettisation(bits=4, input_aware=True)),
)
"""Ways to store the weights that are left. A line more is an alternative more; the first ones are tried first."""


def learns(technique: Technique) -> bool:
    """Whether a technique trains the model, which is slow: all those that do have a setting `epochs`."""
    return bool(getattr(technique, "epochs", 0))


def runs_on(techniques: Iterable[Technique], target: str) -> bool:
    """Whether a deployment target has all that these techniques make of a model."""
    return all(TARGETS.index(each.oldest_target) <= TARGETS.index(target) for each in techniques)


@attrs.frozen
class Space:
    """Alternatives by stage, in the order of application, and by description."""

    stages: Mapping[str, Mapping[str, Alternative]]

    @classmethod
    def of(cls, *, layers: Iterable[tuple[int, ...]], recipes: Iterable[Recipe], target: str) -> Space:
        """Return the given recipes, or the space of built-in techniques.

        Args:
            layers: for each alternative to all layers, the layers to keep by distillation.
            recipes: if any, the only ones to try.
            target: alternatives that need a newer system than this are left out.
        """
        stages: dict[str, Iterable[Alternative]] = {"recipe": [each.techniques for each in recipes]}
        if not stages["recipe"]:
            stages = {
                "layers": [(), *((Distillation(layers=each),) for each in layers)],
                "vocabulary": VOCABULARY,
                "storage": STORAGE,
            }
        return cls(
            {
                name: {_described(each): each for each in alternatives if runs_on(each, target)}
                for name, alternatives in stages.items()
            }
        )

    def combinations(self) -> list[dict[str, str]]:
        """Return all choices of an alternative per stage. Those of techniques that do not learn come first."""
        every = [dict(zip(self.stages, chosen, strict=True)) for chosen in itertools.product(*self.stages.values())]
        return sorted(every, key=lambda chosen: sum(map(learns, self.recipe(chosen).techniques)))

    def opening(self) -> list[dict[str, str]]:
        """Return the choices to begin with: each quick alternative of the last stage with the first of the others."""
        *others, last = self.stages.items()
        first = {name: next(iter(alternatives)) for name, alternatives in others}
        return [first | {last[0]: chosen} for chosen, techniques in last[1].items() if not any(map(learns, techniques))]

    def suggest(self, trial: Trial) -> dict[str, str]:
        """Return the choices that a trial suggests."""
        return {name: trial.suggest_categorical(name, list(alternatives)) for name, alternatives in self.stages.items()}

    def recipe(self, chosen: Mapping[str, str]) -> Recipe:
        """Return the techniques of these choices, one after another."""
        return Recipe(techniques=[each for name, alternatives in self.stages.items() for each in alternatives[chosen[name]]])


def _described(techniques: Alternative) -> str:
    return " + ".join(map(str, techniques)) or "all"
