"""One training at a time in a folder."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from goalkit.errors import GoalkitError, StorageError, TrainingError
from goalkit.training.processes import Processes

LOCK = ".training.lock"


@contextmanager
def only_training(folder: Path, processes: Processes, *, beside: bool = False) -> Iterator[None]:
    """Let no other training write to `folder` while the block runs. The operating system lifts the lock if the process dies.

    The first process holds the lock for all that train together; if it is refused, all of them are.

    Args:
        folder: made if it is not there.
        processes: which train together.
        beside: keep the lock file next to the folder, as `.<name>.training.lock`: for one that will be replaced whole.

    Raises:
        TrainingError: another training holds the lock, in this process or in another.
        StorageError: the lock file cannot be written.
    """
    folder = folder.resolve()
    lock = folder.with_name(f".{folder.name}{LOCK}") if beside else folder / LOCK
    with ExitStack() as held:
        refusal: GoalkitError | None = None
        if processes.first:
            try:
                held.enter_context(_held(lock, folder))
            except GoalkitError as error:
                refusal = error
        refusal = processes.gather(refusal)[0]
        if refusal is not None:
            raise refusal
        yield


@contextmanager
def _held(path: Path, folder: Path) -> Iterator[None]:
    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except Timeout as error:
        raise TrainingError(
            f"another training{_holder(path)} writes to {folder}: wait for its end, or choose another folder"
        ) from error
    except OSError as error:
        raise StorageError(f"cannot lock {path} ({error.strerror or error}): choose a folder you may write to") from error
    try:
        if type(lock) is FileLock:  # where a file system has no locks it turns into another, which keeps its own note there
            with suppress(OSError):
                path.write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
        yield
    finally:
        lock.release()


def _holder(path: Path) -> str:
    try:
        holder = path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
    return f", {holder}," if holder else ""
