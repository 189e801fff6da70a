"""Finding backbones: every installed package may declare some in the entry-point group `goalkit.backbones`."""

from __future__ import annotations

from typing import cast

from goalkit.backbones.contract import Backbone
from goalkit.discovery import Plugin, PluginGroup
from goalkit.errors import BackboneError


def _make(backbone: type) -> Backbone:
    return cast(Backbone, backbone())


BACKBONES = PluginGroup(name="goalkit.backbones", noun="backbone", base=Backbone, make=_make, error=BackboneError)


def installed_backbones() -> dict[str, Plugin[Backbone]]:
    """All declared backbones by name, sorted; a name declared twice goes to the package found first on the path."""
    return BACKBONES.installed()


def find_backbone(name: str) -> Backbone:
    """The backbone called `name`.

    Raises:
        BackboneError: unknown (the known ones are listed), or its package cannot be imported.
    """
    return BACKBONES.find(name)
