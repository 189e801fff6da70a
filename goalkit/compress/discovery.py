"""Discovery of techniques: installed packages declare them in the entry-point group `goalkit.compression`."""

from __future__ import annotations

import inspect
from typing import cast

from goalkit.compress.contract import Technique
from goalkit.configuration import tagged
from goalkit.discovery import Plugin, PluginGroup
from goalkit.errors import ConfigurationError


def _checked(technique: type) -> type[Technique]:
    if "__attrs_attrs__" not in vars(technique):  # otherwise its settings would be those of its base class
        raise TypeError(f"{technique.__name__} is not decorated with attrs.frozen(kw_only=True)")
    if inspect.isabstract(technique):
        raise TypeError(f"{technique.__name__} is abstract: it does not define apply")
    return cast(type[Technique], technique)


TECHNIQUES = PluginGroup(name="goalkit.compression", noun="technique", base=Technique, make=_checked, error=ConfigurationError)


def installed_techniques() -> dict[str, Plugin[type[Technique]]]:
    """Return all declared techniques by name, sorted; if a name is declared twice, the package found first on the path wins."""
    return TECHNIQUES.installed()


def find_technique(name: str) -> type[Technique]:
    """Return the class of the technique called `name`.

    Raises:
        ConfigurationError: the name is unknown (the message lists the known ones), or its package cannot be imported.
    """
    return TECHNIQUES.find(name)


tagged(Technique, key="name", find=find_technique)
