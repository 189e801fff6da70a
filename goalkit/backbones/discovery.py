"""Finding backbones: every installed package may declare some in the entry-point group `goalkit.backbones`."""

from __future__ import annotations

import attrs
import entrypoints

from goalkit.backbones.contract import Backbone
from goalkit.errors import BackboneError

GROUP = "goalkit.backbones"


@attrs.frozen
class InstalledBackbone:
    """An entry point that declares a backbone. Nothing of its package is imported until `load`."""

    name: str
    package: str
    target: str
    _entry_point: entrypoints.EntryPoint = attrs.field(repr=False)

    def load(self) -> Backbone:
        """Import the plugin. Raises BackboneError that names the package at fault."""
        try:
            loaded = self._entry_point.load()
            if isinstance(loaded, type) and issubclass(loaded, Backbone):
                return loaded()
        except Exception as fault:  # a plugin may fail in any way; whichever it is, its package is to blame
            raise BackboneError(
                f"backbone {self.name!r}: package {self.package} fails to import {self.target} "
                f"({type(fault).__name__}: {fault}); repair or uninstall {self.package}"
            ) from fault
        raise BackboneError(
            f"backbone {self.name!r}: {self.target} of package {self.package} is not a subclass of "
            "goalkit.backbones.Backbone; correct the entry point"
        )


def installed_backbones() -> dict[str, InstalledBackbone]:
    """All declared backbones by name, sorted; a name declared twice goes to the package found first on the path."""
    found: dict[str, InstalledBackbone] = {}
    for point in entrypoints.get_group_all(GROUP):
        target = f"{point.module_name}:{point.object_name}"
        package = point.distro.name if point.distro else point.module_name.split(".")[0]
        found.setdefault(point.name, InstalledBackbone(point.name, package, target, point))
    return dict(sorted(found.items()))


def find_backbone(name: str) -> Backbone:
    """The backbone called `name`.

    Raises:
        BackboneError: unknown (the known ones are listed), or its package cannot be imported.
    """
    known = installed_backbones()
    if name not in known:
        listed = ", ".join(known) or "none: reinstall goalkit, its own entry points are missing"
        raise BackboneError(f"there is no backbone {name!r}; installed ones are {listed}")
    return known[name].load()
