"""Recipes: named sequences of techniques, built in, constructed in Python, or read from JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from goalkit.compress.activations import ActivationQuantisation
from goalkit.compress.contract import CompressionContext, Technique
from goalkit.compress.discovery import installed_techniques
from goalkit.compress.palettisation import Palettisation
from goalkit.compress.quantisation import Quantisation
from goalkit.configuration import from_dict, read_json
from goalkit.errors import ConfigurationError, ModelError
from goalkit.model import GoalModel
from goalkit.weights import stored_weights


def _as_techniques(given: Iterable[object]) -> tuple[Technique, ...]:
    techniques = []
    for each in given:
        if not isinstance(each, Technique):
            raise ConfigurationError(f"{each!r} is not a technique: give instances of subclasses of goalkit.compress.Technique")
        techniques.append(each)
    if not techniques:
        raise ConfigurationError("a recipe has no techniques: give at least one")
    return tuple(techniques)


@attrs.frozen(kw_only=True)
class Recipe:
    """A sequence of techniques, applied in order.

    Args:
        techniques: at least one.
        name: name of the sequence; by default the techniques' names.
    """

    techniques: tuple[Technique, ...] = attrs.field(converter=_as_techniques)
    name: str = attrs.field()

    @name.default
    def _joined(self) -> str:
        return "+".join(each.name for each in self.techniques)

    def apply(self, model: GoalModel, context: CompressionContext) -> GoalModel:
        """Return a smaller model, made by the techniques in order; the given one is not changed.

        Args:
            model: not compressed.
            context: its folder, if any, gets a folder for each technique.

        Raises:
            GoalkitError: see `Technique.apply`. If it is a technique that stored weights which is in the way, it is named.
        """
        for number, technique in enumerate(self.techniques, 1):
            own = None if context.folder is None else context.folder / f"{number}-{technique.name}"
            try:
                model = technique.apply(model, attrs.evolve(context, folder=own))
            except (ConfigurationError, ModelError) as error:
                if not any(stored_weights(model)):
                    raise
                before = " and ".join(repr(each.name) for each in self.techniques[: number - 1])
                reason = f"cannot follow {before}" if before else "cannot be applied to a model that is compressed already"
                raise ConfigurationError(
                    f"the technique {technique.name!r} {reason} ({error}): "
                    + (f"put {technique.name!r} first, or leave one out" if before else "compress the original model")
                ) from error
        return model

    def __str__(self) -> str:
        return " + ".join(map(str, self.techniques))


RECIPES: Mapping[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(name="int8", techniques=(Quantisation(),)),
        Recipe(name="int8-gptq", techniques=(Quantisation(input_aware=True),)),
        Recipe(name="palette4", techniques=(Palettisation(bits=4),)),
        Recipe(name="palette6", techniques=(Palettisation(bits=6),)),
        Recipe(name="w8a8", techniques=(ActivationQuantisation(), Quantisation())),
    )
}
"""The built-in recipes, by name."""

RecipeLike = Recipe | str | Path | Mapping[str, Any] | Sequence[Technique]
"""A recipe, or anything that `as_recipe` converts to one."""


def as_recipe(given: RecipeLike) -> Recipe:
    """Convert a name, techniques or JSON to a recipe.

    Args:
        given: a recipe; the name of a built-in recipe, or of a technique, with its default settings; techniques; the path of a
            JSON file that ends in `.json`; or its contents, `{"techniques": [{"name": "palettisation", "bits": 4}]}`.

    Raises:
        ConfigurationError: a name is unknown or a setting invalid; the message lists the valid ones.
    """
    match given:
        case Recipe():
            return given
        case Mapping():
            return from_dict(Recipe, given, source="recipe")
        case Path():
            return _read(given)
        case str() if given.endswith(".json"):
            return _read(Path(given))
        case str():
            return _named(given)
        case _:
            return Recipe(techniques=given)


def _read(path: Path) -> Recipe:
    data = read_json(path, error=ConfigurationError)
    if not isinstance(data, dict):
        raise ConfigurationError(
            f'{path} holds no recipe: give a JSON object such as {{"techniques": [{{"name": "quantisation"}}]}}'
        )
    return from_dict(Recipe, data, source=str(path))


def _named(name: str) -> Recipe:
    if name in RECIPES:
        return RECIPES[name]
    techniques = installed_techniques()
    if name not in techniques:
        raise ConfigurationError(
            f"there is no recipe {name!r}; the recipes are {', '.join(RECIPES)}, the techniques {', '.join(techniques)}; "
            "or give a JSON file of techniques"
        )
    return from_dict(Recipe, {"techniques": [{"name": name}]}, source=f"recipe {name!r}")
