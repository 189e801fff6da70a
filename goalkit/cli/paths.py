"""Parameter types for paths that a command reads or writes. Conflicts are found before the command runs."""

from __future__ import annotations

import os
import stat
import unicodedata
from pathlib import Path
from typing import Any

import attrs
import click

Identity = tuple[int | str, ...]
"""Device and inode of an existing path. For others, those of the nearest existing parent, and the names below it."""


class CommandPath(click.Path):
    """A path parameter. A path that is written must not be, contain or lie within another path of the same command.

    Paths are compared by the file that they lead to, not by their spelling: links, relative paths and, on some file systems,
    letter case make no difference. URLs, devices and pipes are not checked.

    Args:
        parts: names in the folder that the command uses, if it does not touch the rest of the folder.
        path_type: the type of the value that the command receives.
    """

    writes: bool

    def __init__(self, *parts: str, path_type: type[Path] | type[str] = Path) -> None:
        super().__init__(path_type=path_type)
        self.parts = parts

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert a path and compare it with the earlier ones of the command.

        Raises:
            click.BadParameter: one of two paths is written, and they overlap.
        """
        if param is not None and ctx is not None and "://" not in os.fspath(value):
            others: list[_Claim] = ctx.meta.setdefault(__name__, [])
            for part in self.parts or ("",):
                claim = _Claim(Path(value, part), param, self.writes)
                if not _is_stream(claim.path):
                    for other in others:
                        _keep_apart(claim, other, ctx)
                    others.append(claim)
        return super().convert(value, param, ctx)


class Reads(CommandPath):
    """A file or folder that a command reads."""

    writes = False


class Writes(CommandPath):
    """A file or folder that a command writes or replaces."""

    writes = True


@attrs.frozen
class _Claim:
    """A path of a parameter, with the identities of the path itself and of all folders above it, in this order."""

    path: Path
    parameter: click.Parameter
    writes: bool
    identities: tuple[Identity, ...] = attrs.field(init=False)

    @identities.default
    def _identify(self) -> tuple[Identity, ...]:
        real = Path(os.path.realpath(self.path))
        return tuple(map(_identity, (real, *real.parents)))


def _keep_apart(one: _Claim, other: _Claim, context: click.Context) -> None:
    written, kept = (one, other) if one.writes else (other, one)
    if not written.writes:
        return
    if written.identities[0] == kept.identities[0]:
        relation = "is"
    elif written.identities[0] in kept.identities:
        relation = "contains"
    elif kept.identities[0] in written.identities:
        relation = "lies within"
    else:
        return
    verb = "writes" if kept.writes else "reads"
    raise click.BadParameter(
        f"{written.path} {relation} the path that {kept.parameter.get_error_hint(context)} {verb} ({kept.path}): "
        "choose another path; to replace the original, move the result there afterwards",
        context,
        written.parameter,
    )


def _identity(path: Path) -> Identity:
    try:
        found = path.stat()
    except OSError:
        if path == path.parent:  # a missing drive
            return (str(path),)
        # two new names that differ only in case or in Unicode form are one file on macOS and Windows
        return *_identity(path.parent), unicodedata.normalize("NFC", path.name).casefold()
    return found.st_dev, found.st_ino


def _is_stream(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
