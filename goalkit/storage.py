"""Folders on disk: written whole or not at all, and known by their digests."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from goalkit.errors import StorageError


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Write a folder so that a crash leaves the old one or the new one, never a mixture.

    Yields a temporary folder beside `path`; when the block ends well the folder is flushed to disk and takes the place
    of `path`. The old folder waits as `.<name>.previous` for the instant between two renames, from where
    `recover_folder` brings it back should the process die just then.

    Raises:
        StorageError: the folder cannot be written (permissions, a full disk, a file in the way).
    """
    path = path.absolute()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        recover_folder(path)
        if path.exists() and not path.is_dir():
            raise StorageError(f"{path} is a file, not a folder: choose another path or remove it")
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as fault:
        raise _storage_error(path, fault) from fault
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
        recover_folder(path)


def recover_folder(path: Path) -> None:
    """Bring back the folder that an interrupted `replacing_folder` had moved aside, if there is one."""
    previous = _previous(path.absolute())
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
