"""The parameter that says how to compress a model."""

from __future__ import annotations

from typing import Any

import click

from goalkit.cli.paths import Reads

NO_RECIPE = "none"


class RecipeType(Reads):
    """A recipe for `Compressor.from_recipe`: a name, or the path of a JSON file; or `none`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Take a name that is known, or else a path.

        Raises:
            click.BadParameter: there is no recipe, technique or file of that name.
        """
        from goalkit.compress import RECIPES, installed_techniques

        names = [*RECIPES, NO_RECIPE, *installed_techniques()]
        if value in names:
            return value
        path = super().convert(value, param, ctx)
        if not path.is_file():
            self.fail(f"{value!r} is neither a JSON file nor one of {', '.join(names)}", param, ctx)
        return path
