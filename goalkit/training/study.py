"""Studies of Optuna: in a journal file or a database, shared by processes, some of which die. Importing this needs optuna."""

from __future__ import annotations

import json
import os
import socket
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import optuna
import psutil
from filelock import FileLock
from optuna import Study
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import Trial, TrialState

from goalkit.errors import TrainingError
from goalkit.storage import append_lines

IDENTITY, WORKER = "identity", "worker"
"""What is kept in a study, and with each trial, besides Optuna's own; a worker is a host, a process and its start."""


class _Journal(JournalFileBackend):
    """Optuna's journal file, written under a lock that dies with its process, and never with half a line, which spoils it."""

    def __init__(self, path: str, lock: FileLock) -> None:
        super().__init__(path)
        self._path, self._turn = Path(path), lock

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        with self._turn:
            append_lines(self._path, map(json.dumps, logs))


def open_study(place: str, identity: dict[str, Any]) -> tuple[Study, AbstractContextManager[Any]]:
    """The study, made if it is not there, and a lock under which only one process at a time begins a trial.

    Processes that share a database have no such lock: two that begin at once may begin one trial too many.

    Args:
        place: a journal file, or the URL of a database.
        identity: what all trials of the study have in common, ready for JSON.

    Raises:
        TrainingError: the study has another identity, or cannot be read.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    lock = FileLock(f"{place}.write.lock") if "://" not in place else None
    try:
        if lock is not None:
            Path(place).parent.mkdir(parents=True, exist_ok=True)
        with lock or nullcontext():
            found = optuna.create_study(
                storage=RDBStorage(place) if lock is None else JournalStorage(_Journal(place, lock)),
                study_name="goalkit",
                direction="maximize",
                pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=1),
                load_if_exists=True,
            )
            if IDENTITY not in found.user_attrs:
                found.set_user_attr(IDENTITY, identity)
    except Exception as error:  # storages raise exceptions of their own
        reason = str(error).strip().split("\n")[0]
        raise TrainingError(
            f"{place} cannot be used as a study ({reason}): name the journal file of an earlier search, a new "
            "file, or the URL of a database"
        ) from error
    for key, value in identity.items():
        if found.user_attrs[IDENTITY].get(key) != value:
            raise TrainingError(
                f"{place} is the study of another {key.removesuffix('_sha256')}: search with the same, or name a new study"
            )
    return found, lock or nullcontext()


def begin_trial(study: Study, most: int) -> Trial | None:
    """The next trial, or None if as many as wanted are over or under way.

    Trials whose process on this machine is gone are failed first, and their settings tried again.
    """
    for running in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        host, process, start = running.user_attrs.get(WORKER, (None, 0, 0.0))
        if host == socket.gethostname() and not _works(process, start):
            study.tell(running.number, state=TrialState.FAIL)
            study.enqueue_trial(running.params)
    begun = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
    if len(study.get_trials(deepcopy=False, states=begun)) >= most:
        return None
    trial = study.ask()
    trial.set_user_attr(WORKER, [socket.gethostname(), os.getpid(), psutil.Process().create_time()])
    return trial


def _works(process: int, start: float) -> bool:
    """Whether another process than this one, which has no trial under way when it begins one, still runs."""
    try:
        return process != os.getpid() and bool(abs(psutil.Process(process).create_time() - start) < 1)
    except psutil.NoSuchProcess:
        return False
