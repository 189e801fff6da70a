"""Plugins: what installed packages declare in an entry-point group, imported only when it is used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import attrs
import entrypoints

from goalkit.errors import GoalkitError

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class PluginGroup(Generic[T]):
    """An entry-point group, and what its plugins must be.

    Args:
        name: of the group, such as "goalkit.backbones".
        noun: what errors call a plugin.
        base: the class that plugins subclass.
        make: makes of a plugin's class what `load` and `find` return; what it raises is blamed on the plugin's package.
        error: what to raise.
    """

    name: str
    noun: str
    base: type
    make: Callable[[type], T]
    error: type[GoalkitError]

    def installed(self) -> dict[str, Plugin[T]]:
        """All declared plugins by name, sorted; a name declared twice goes to the package found first on the path."""
        found: dict[str, Plugin[T]] = {}
        for point in entrypoints.get_group_all(self.name):
            target = f"{point.module_name}:{point.object_name}"
            package = point.distro.name if point.distro else point.module_name.split(".")[0]
            found.setdefault(point.name, Plugin(point.name, package, target, self, point))
        return dict(sorted(found.items()))

    def find(self, name: str) -> T:
        """The plugin called `name`.

        Raises:
            GoalkitError: of the group's type; unknown (the known ones are listed), or its package cannot be imported.
        """
        known = self.installed()
        if name not in known:
            listed = ", ".join(known) or "none: reinstall goalkit, its own entry points are missing"
            raise self.error(f"there is no {self.noun} {name!r}; installed ones are {listed}")
        return known[name].load()


@attrs.frozen
class Plugin(Generic[T]):
    """An entry point that declares a plugin. Nothing of its package is imported until `load`."""

    name: str
    package: str
    target: str
    _group: PluginGroup[T] = attrs.field(repr=False)
    _entry_point: entrypoints.EntryPoint = attrs.field(repr=False)

    def load(self) -> T:
        """Import the plugin. Raises the group's error, which names the package responsible."""
        group = self._group
        try:
            loaded = self._entry_point.load()
            if isinstance(loaded, type) and issubclass(loaded, group.base):
                return group.make(loaded)
        except Exception as error:  # a plugin may raise exceptions of any kind
            raise group.error(
                f"{group.noun} {self.name!r}: package {self.package} fails to import {self.target} "
                f"({type(error).__name__}: {error}); repair or uninstall {self.package}"
            ) from error
        raise group.error(
            f"{group.noun} {self.name!r}: {self.target} of package {self.package} is not a subclass of "
            f"{group.base.__module__.rpartition('.')[0]}.{group.base.__name__}; correct the entry point"
        )
