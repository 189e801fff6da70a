"""Optuna studies in a journal file or a database, shared by processes that may die. Importing this module needs optuna."""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Literal

import numpy as np
import optuna
import psutil
from filelock import FileLock
from optuna import Study
from optuna.pruners import BasePruner
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import Trial, TrialState

from goalkit.errors import TrainingError
from goalkit.storage import append_lines

logger = logging.getLogger(__name__)

Direction = Literal["minimize", "maximize"]

IDENTITY, WORKER = "identity", "worker"
"""Attributes that goalkit adds to a study and to each trial. A worker is a host, a process id and the start of the process."""

ENDED = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}
"""How a trial ended, by its state."""


class _Journal(JournalFileBackend):
    """Optuna's journal file, written in whole lines under a lock.

    The operating system releases the lock if the process dies. An incomplete line would make the journal unreadable.
    """

    def __init__(self, path: str, lock: FileLock) -> None:
        super().__init__(path)
        self._path, self._lock_file = Path(path), lock

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        with self._lock_file:
            append_lines(self._path, map(json.dumps, logs))


def open_study(
    place: str, identity: dict[str, Any], *, directions: Sequence[Direction] = ("maximize",), pruner: BasePruner | None = None
) -> tuple[Study, AbstractContextManager[Any]]:
    """Open or create a study. Returns it with a lock that lets only one process at a time start a trial.

    Processes that share a database have no such lock: if two start a trial at once, there may be one trial too many.

    Args:
        place: a journal file, or the URL of a database.
        identity: configuration and fingerprints that all trials of the study share, which JSON can hold.
        directions: "maximize" or "minimize", for each value of a trial.
        pruner: stops trials that are not promising.

    Raises:
        TrainingError: the study has a different identity, or cannot be read.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    identity = json.loads(json.dumps(identity))
    lock = FileLock(f"{place}.write.lock") if "://" not in place else None
    try:
        if lock is not None:
            Path(place).parent.mkdir(parents=True, exist_ok=True)
        with lock or nullcontext():
            found = optuna.create_study(
                storage=RDBStorage(place) if lock is None else JournalStorage(_Journal(place, lock)),
                study_name="goalkit",
                directions=directions,
                pruner=pruner,
                load_if_exists=True,
            )
            if IDENTITY not in found.user_attrs:
                found.set_user_attr(IDENTITY, identity)
    except Exception as error:  # storages raise their own kinds of exceptions
        reason = str(error).strip().split("\n")[0]
        raise TrainingError(
            f"{place} cannot be used as a study ({reason}): name the journal file of an earlier search, a new "
            "file, or the URL of a database"
        ) from error
    for key, value in identity.items():
        if found.user_attrs[IDENTITY].get(key) != value:
            name = key.removesuffix("_sha256")
            raise TrainingError(
                f"the study in {place} does not match this search (different {name}): use the same {name}, or name a new study"
            )
    return found, lock or nullcontext()


def started_trials(study: Study, lock: AbstractContextManager[Any], limit: int, *, seed: int) -> Iterator[Trial]:
    """Yield trials to run, until all processes together have started `limit` of them. What is suggested depends on `seed`."""
    while True:
        with lock:
            trial = start_trial(study, limit)
        if trial is None:
            return
        own = np.random.SeedSequence([seed, trial.number]).generate_state(1)[0]
        study.sampler = TPESampler(seed=int(own), n_startup_trials=5)
        yield trial


def start_trial(study: Study, limit: int) -> Trial | None:
    """Start the next trial. Returns None if `limit` trials are complete, pruned or running.

    Before that, running trials whose process on this machine has died are marked as failed, and their settings queued again.
    """
    for running in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        host, process, start = running.user_attrs.get(WORKER, (None, 0, 0.0))
        if host == socket.gethostname() and not _is_running(process, start):
            study.tell(running.number, state=TrialState.FAIL)
            study.enqueue_trial(running.params)
    counted = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
    if len(study.get_trials(deepcopy=False, states=counted)) >= limit:
        return None
    trial = study.ask()
    trial.set_user_attr(WORKER, [socket.gethostname(), os.getpid(), psutil.Process().create_time()])
    return trial


@contextmanager
def recording(study: Study, trial: Trial, *, pruned: tuple[type[Exception], ...]) -> Iterator[None]:
    """Record how a trial ends that the block does not tell the study about: with an error.

    Args:
        study: the study of the trial.
        trial: a started trial.
        pruned: errors that are a bad result rather than a failure: the trial is pruned, and the search goes on.
    """
    try:
        yield
    except pruned as error:
        if str(error):
            logger.warning("trial %d: %s", trial.number, error)
        study.tell(trial, state=TrialState.PRUNED)
    except Exception:
        study.tell(trial, state=TrialState.FAIL)
        raise


def _is_running(process: int, start: float) -> bool:
    """Whether the process is still running and is not this one, which has no running trial when it starts one."""
    try:
        return process != os.getpid() and bool(abs(psutil.Process(process).create_time() - start) < 1)
    except psutil.NoSuchProcess:
        return False
