"""Finding techniques: every installed package may declare some in the entry-point group `goalkit.compression`."""

from __future__ import annotations

import inspect
from typing import cast

from goalkit.compress.contract import Technique
from goalkit.configuration import tagged
from goalkit.discovery import Plugin, PluginGroup
from goalkit.errors import ConfigurationError


def _checked(technique: type) -> type[Technique]:
    if "__attrs_attrs__" not in vars(technique):  # its settings would be those of its base class
        raise TypeError(f"{technique.__name__} is not decorated with attrs.frozen(kw_only=True)")
    if inspect.isabstract(technique):
        raise TypeError(f"{technique.__name__} is abstract: it does not define apply")
    return cast(type[Technique], technique)


TECHNIQUES = PluginGroup(name="goalkit.compression", noun="technique", base=Technique, make=_checked, error=ConfigurationError)


def installed_techniques() -> dict[str, Plugin[type[Technique]]]:
    """All declared techniques by name, sorted; a name declared twice goes to the package found first on the path."""
    return TECHNIQUES.installed()


def find_technique(name: str) -> type[Technique]:
    """The class of the technique called `name`.

    Raises:
        ConfigurationError: unknown (the known ones are listed), or its package cannot be imported.
    """
    return TECHNIQUES.find(name)


tagged(Technique, key="name", find=find_technique)
