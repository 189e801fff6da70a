"""Locks a folder for one training run at a time."""

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
def only_training(folder: Path, processes: Processes, *, outside: bool = False) -> Iterator[None]:
    """Lock `folder` against other training runs while the block runs.

    The first process holds the lock for all processes that train together; if it cannot get the lock, all of them raise the
    same error. The operating system releases the lock if the process dies.

    Args:
        folder: the folder to lock; it is created if it does not exist, unless `outside` is set.
        processes: the processes that train together.
        outside: put the lock file next to the folder, as `.<name>.training.lock`, because the folder will be replaced.

    Raises:
        TrainingError: another training run holds the lock, in this process or another one.
        StorageError: the lock file cannot be written.
    """
    folder = folder.resolve()
    lock = folder.with_name(f".{folder.name}{LOCK}") if outside else folder / LOCK
    with ExitStack() as held:
        refusal: GoalkitError | None = None
        if processes.first:
            try:
                held.enter_context(_locked(lock, folder))
            except GoalkitError as error:
                refusal = error
        refusal = processes.gather(refusal)[0]
        if refusal is not None:
            raise refusal
        yield


@contextmanager
def _locked(path: Path, folder: Path) -> Iterator[None]:
    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except Timeout as error:
        raise TrainingError(
            f"another training run{_holder(path)} is writing to {folder}: wait for it to finish, or choose another folder"
        ) from error
    except OSError as error:
        raise StorageError(f"cannot lock {path} ({error.strerror or error}): choose a folder you may write to") from error
    try:
        if type(lock) is FileLock:  # without support for locks it becomes a SoftFileLock, with its own contents
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
