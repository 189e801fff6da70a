"""Write folders and files atomically, and compute their digests."""

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
    """A kind of folder that goalkit writes, recognised by a key in one of its JSON files."""

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
    """Replace a folder atomically: after a crash either the old or the new one is complete.

    Yields a temporary folder next to `path`. If the block succeeds, the folder is flushed to disk and renamed to `path`.
    Between two renames the old folder is called `.<name>.previous`; if the process dies at that point, `readable_folder`
    finds it. Only an empty folder or one of the same kind is replaced.

    Raises:
        StorageError: the folder cannot be written (permissions, full disk), or `path` contains something else.
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
    except OSError as error:
        raise _storage_error(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        _recover(path)


@contextmanager
def replacing_file(path: Path) -> Iterator[TextIO]:
    """Replace a text file atomically: after a crash either the old or the new one is complete.

    Yields a UTF-8 handle that does not translate line ends. If the block succeeds, the file replaces `path`. Devices and
    pipes are written to directly.

    Raises:
        StorageError: the file cannot be written (permissions, full disk), or `path` is a folder.
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
    except OSError as error:
        raise _storage_error(path, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def check_replaceable(path: Path, kind: Kind) -> None:
    """Check in advance that `replacing_folder` can write `path`. Raises StorageError if not."""
    shutil.rmtree(_prepare(path.resolve(), kind))


def readable_folder(path: Path) -> Path:
    """Return `path`, or the previous folder if `replacing_folder` was interrupted between its renames."""
    aside = _previous(path.resolve())
    return aside if aside.is_dir() and not path.exists() else path


def write_file(path: Path, data: bytes) -> None:
    """Replace a file atomically. Raises StorageError if it cannot be written."""
    with replacing_file(path) as handle:
        handle.buffer.write(data)


def append_lines(path: Path, lines: Iterable[str]) -> None:
    """Append lines to a UTF-8 file, all or none, and flush it to disk. Raises StorageError if that fails."""
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
    except OSError as error:
        raise _storage_error(path, error) from error


def _prepare(path: Path, kind: Kind) -> Path:
    """Create a temporary folder next to `path`, after checking that `path` may be replaced."""
    if not path.name:
        raise StorageError(f"{path} cannot be replaced: give a folder with a name")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _recover(path)
        if path.exists() and not path.is_dir():
            raise StorageError(f"{path} is a file, not a folder: choose another path or remove it")
        if path.exists() and any(path.iterdir()) and not kind.holds(path):
            raise StorageError(
                f"{path} contains something other than a {kind.name}: choose another folder, or empty this one yourself"
            )
        return Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise _storage_error(path, error) from error


def _recover(path: Path) -> None:
    """Restore the previous folder if `replacing_folder` was interrupted between its renames."""
    previous = _previous(path)
    if previous.is_dir():
        if path.exists():
            shutil.rmtree(previous, ignore_errors=True)
        else:
            previous.rename(path)


def _previous(path: Path) -> Path:
    return path.with_name(f".{path.name}.previous")


def _storage_error(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"cannot write {path} ({error.strerror or error}): choose a writable folder on a disk with free space; "
        "the previous content is unchanged"
    )


def _flush(folder: Path) -> None:
    for file in folder.rglob("*"):
        if file.is_file():
            with file.open("rb+") as handle:
                os.fsync(handle.fileno())


def files_in(folder: Path) -> list[str]:
    """Return the sorted relative names, with `/`, of all files below `folder`."""
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def combined_digest(digests: dict[str, str]) -> str:
    """Return one SHA-256 for named digests: that of the lines `<digest>  <name>` of `sha256sum`, sorted by name."""
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def folder_digest(folder: Path) -> str:
    """Return one SHA-256 over the names and contents of all files in a folder."""
    return combined_digest({name: file_digest(folder / name) for name in files_in(folder)})
