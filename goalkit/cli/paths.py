"""The paths that a command reads and writes, declared by the types of its parameters and kept apart before it runs."""

from __future__ import annotations

import os
import stat
import unicodedata
from pathlib import Path
from typing import Any

import attrs
import click

Identity = tuple[int | str, ...]
"""Device and inode of what is there; for what is not, those of the nearest folder above, and the names below it."""


class CommandPath(click.Path):
    """A path of a command; none that is written may be, contain or lie within another one of the same command.

    Files are told apart by what they are, not by how they are spelled: a link, a relative path or, where the file system
    takes them for the same, another case does not hide that two paths lead to one file. A URL is no path, and a device or a
    pipe has nothing to lose.

    Args:
        parts: names in the folder that the command touches, if it leaves alone whatever else is there.
        path_type: what the command gets.
    """

    writes: bool

    def __init__(self, *parts: str, path_type: type[Path] | type[str] = Path) -> None:
        super().__init__(path_type=path_type)
        self.parts = parts

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Take a path, and compare it with those that the command has been given before.

        Raises:
            click.BadParameter: one of them is written and concerns the other.
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
    """A file or folder that a command writes, replacing what is there."""

    writes = True


@attrs.frozen
class _Claim:
    """What a parameter says of a path, with the identities of the path and of all folders above it, its own first."""

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
    deed = "writes" if kept.writes else "reads"
    raise click.BadParameter(
        f"{written.path} {relation} what {kept.parameter.get_error_hint(context)} {deed} ({kept.path}): choose another path; "
        "if the result is to take that place, move it there afterwards",
        context,
        written.parameter,
    )


def _identity(path: Path) -> Identity:
    try:
        found = path.stat()
    except OSError:
        if path == path.parent:  # a drive that is not there
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
