"""Folders and files on disk: written whole or not at all, and known by their digests."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import attrs

from goalkit.errors import StorageError


@attrs.frozen
class Kind:
    """What makes a folder one of ours: a JSON file with a certain key in it."""

    name: str
    file: str
    key: str

    def holds(self, folder: Path) -> bool:
        """Whether `folder` is of this kind."""
        try:
            return self.key in json.loads((folder / self.file).read_bytes())
        except (OSError, ValueError, TypeError):
            return False


MODEL = Kind("model", "config.json", "schema")
BUNDLE = Kind("bundle", "manifest.json", "schema")
PACKAGE = Kind("Core ML package", "Manifest.json", "fileFormatVersion")


@contextmanager
def replacing_folder(path: Path, kind: Kind) -> Iterator[Path]:
    """Write a folder so that a crash leaves the old one or the new one, never a mixture.

    Yields a temporary folder beside `path`; when the block ends well the folder is flushed to disk and takes the place
    of `path`. The old folder waits as `.<name>.previous` for the instant between two renames, where readers find it
    (`readable_folder`) should the process die just then. Only an empty folder or one of the same kind is replaced.

    Raises:
        StorageError: the folder cannot be written (permissions, a full disk), or something else stands in its place.
    """
    path = path.resolve()
    temporary = _prepare(path, kind)
    try:
        yield temporary
        _flush(temporary)
        temporary.chmod(0o755)
        previous = _previous(path)
        if path.exists():
            path.rename(previous)
        temporary.rename(path)
        shutil.rmtree(previous, ignore_errors=True)
    except OSError as fault:
        raise _storage_error(path, fault) from fault
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        _recover(path)


@contextmanager
def replacing_file(path: Path) -> Iterator[TextIO]:
    """Write a text file so that a crash leaves the old one or the new one, never a mixture.

    Yields a handle for UTF-8, with line ends as they are given; when the block ends well the file takes the place of `path`.
    A device or a pipe, which keeps nothing, is written to as it is.

    Raises:
        StorageError: the file cannot be written (permissions, a full disk), or a folder stands in its place.
    """
    temporary = None
    try:
        if path.is_dir():
            raise StorageError(f"{path} is a folder, not a file: choose another path")
        if path.exists() and not path.is_file():
            with path.open("w", encoding="utf-8", newline="") as handle:
                yield handle
            return
        path = path.resolve()
        path.parent.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        with open(number, "w", encoding="utf-8", newline="") as handle:
            yield handle
            handle.flush()
            os.fsync(number)
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as fault:
        raise _storage_error(path, fault) from fault
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def check_replaceable(path: Path, kind: Kind) -> None:
    """Find out early whether `replacing_folder` can write `path`. Raises StorageError if not."""
    shutil.rmtree(_prepare(path.resolve(), kind))


def readable_folder(path: Path) -> Path:
    """`path`, or the folder that an interrupted `replacing_folder` left aside in its stead."""
    aside = _previous(path.resolve())
    return aside if aside.is_dir() and not path.exists() else path


def write_file(path: Path, data: bytes) -> None:
    """Write a file so that a crash leaves the old one or the new one. Raises StorageError if it cannot be written."""
    with replacing_file(path) as handle:
        handle.buffer.write(data)


def append_lines(path: Path, lines: Iterable[str]) -> None:
    """Add lines to a UTF-8 file, all of them or none, flushed to disk. Raises StorageError if they cannot be written."""
    data = "".join(f"{line}\n" for line in lines).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab", buffering=0) as file:
            end = file.seek(0, os.SEEK_END)
            try:
                while data:
                    data = data[file.write(data) :]
                os.fsync(file.fileno())
            except OSError:
                file.truncate(end)
                raise
    except OSError as fault:
        raise _storage_error(path, fault) from fault


def _prepare(path: Path, kind: Kind) -> Path:
    """Make a temporary folder beside `path`, once it is certain that nothing foreign would be replaced."""
    if not path.name:
        raise StorageError(f"{path} cannot be replaced: give a folder with a name")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _recover(path)
        if path.exists() and not path.is_dir():
            raise StorageError(f"{path} is a file, not a folder: choose another path or remove it")
        if path.exists() and any(path.iterdir()) and not kind.holds(path):
            raise StorageError(
                f"{path} holds other things than a {kind.name}: choose another folder, or empty this one yourself"
            )
        return Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as fault:
        raise _storage_error(path, fault) from fault


def _recover(path: Path) -> None:
    """Bring back the folder that an interrupted `replacing_folder` had moved aside, if there is one."""
    previous = _previous(path)
    if previous.is_dir():
        if path.exists():
            shutil.rmtree(previous, ignore_errors=True)
        else:
            previous.rename(path)


def _previous(path: Path) -> Path:
    return path.with_name(f".{path.name}.previous")


def _storage_error(path: Path, fault: OSError) -> StorageError:
    return StorageError(
        f"cannot write {path} ({fault.strerror or fault}): choose a folder you may write to, on a disk with room; "
        "what stood there before is unchanged"
    )


def _flush(folder: Path) -> None:
    for file in folder.rglob("*"):
        if file.is_file():
            with file.open("rb+") as handle:
                os.fsync(handle.fileno())


def files_in(folder: Path) -> list[str]:
    """Relative names, with `/`, of all files below `folder`, sorted."""
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def combined_digest(digests: dict[str, str]) -> str:
    """One SHA-256 over named digests: of the lines `<digest>  <name>`, sorted by name, as `sha256sum` prints them."""
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def folder_digest(folder: Path) -> str:
    """One SHA-256 for a folder: over the names and contents of all its files."""
    return combined_digest({name: file_digest(folder / name) for name in files_in(folder)})
