"""Files of a training run in progress: its log, and checkpoints to resume from."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from goalkit.configuration import to_dict
from goalkit.errors import TrainingError
from goalkit.training.batching import Places
from goalkit.training.checkpoints import Checkpoints
from goalkit.training.engine import Engine
from goalkit.training.journal import Journal, memory_bytes, versions
from goalkit.training.run import Epoch
from goalkit.training.state import TrainingState

logger = logging.getLogger(__name__)

LOGGED_STEPS = 10
"""Number of steps per line of the log."""


class Recorder:
    """Writes the log and the latest checkpoint of a training run to a folder. Writes nothing if there is no folder.

    Args:
        folder: where to write `log.jsonl`, `checkpoint/` and, if requested, `tensorboard/`.
        identity: configuration, and fingerprints of model and data; a checkpoint with a different identity is refused.
        engine: engine of the training run. Only its first process writes.
        checkpoint_steps: write a checkpoint every this many steps, in addition to the one after each epoch.
        tensorboard: whether to write TensorBoard event files.
    """

    def __init__(
        self,
        folder: str | Path | None,
        identity: dict[str, Any],
        engine: Engine,
        *,
        checkpoint_steps: int | None,
        tensorboard: bool,
    ) -> None:
        if folder is None and (checkpoint_steps or tensorboard):
            raise TrainingError("checkpoint_steps and tensorboard need a folder to write to: pass folder to fit")
        self._folder = None if folder is None else Path(folder)
        self._checkpoints = None if folder is None else Checkpoints(Path(folder) / "checkpoint", identity)
        self._identity = identity
        self._engine = engine
        self._checkpoint_steps = checkpoint_steps
        self._tensorboard = tensorboard
        self._journal: Journal | None = None
        self._since, self._rows, self._tokens = time.perf_counter(), 0, 0

    @contextmanager
    def opened(self, *, resume: bool) -> Iterator[TrainingState]:
        """Yield the state to start from. If the block is interrupted, a warning names the last good checkpoint.

        Raises:
            TrainingError: there is no folder to resume from, or its checkpoint is damaged or belongs to another training run.
        """
        if self._folder is None or self._checkpoints is None:
            if resume:
                raise TrainingError("resume=True needs a folder to resume from: pass folder to fit")
            yield TrainingState()
            return
        found = self._checkpoints.load(self._engine.model, self._engine.optimizer) if resume else None
        if resume and found is None and self._engine.processes.first:
            logger.warning("there is no checkpoint in %s to resume from: training starts from the beginning", self._folder)
        state = found or TrainingState()
        self._engine.processes.wait()
        if self._engine.processes.first:
            self._journal = Journal(self._folder, after=state.done, tensorboard=self._tensorboard)
            self._journal.record("resumed" if found else "started", state.done, **self._circumstances())
        try:
            yield state
        except KeyboardInterrupt:
            logger.warning("interrupted; %s", self._checkpoints.last_good())
            raise
        finally:
            if self._journal is not None:
                self._journal.close()

    def _circumstances(self) -> dict[str, Any]:
        engine = self._engine
        return {
            **self._identity,
            "seed": engine.settings.seed,
            "rows": len(engine.rows),
            "tokens": int(engine.rows.lengths.sum()),
            "precision": str(engine.precision).removeprefix("torch."),
            "device": str(engine.processes.device),
            "processes": engine.processes.count,
            "versions": versions(),
        }

    def stepped(self, state: TrainingState, batches: list[Places], rate: float) -> None:
        """Record a finished step: log the latest steps and write a checkpoint, each if it is due."""
        if self._journal is None or self._checkpoints is None:
            return
        self._rows += sum(map(len, batches))
        self._tokens += sum(map(self._engine.rows.tokens, batches))
        if state.done % LOGGED_STEPS == 0:
            seconds = time.perf_counter() - self._since
            self._journal.record(
                "step",
                state.done,
                epoch=state.epoch,
                loss=round(sum(state.losses[-LOGGED_STEPS:]) / LOGGED_STEPS, 6),
                rate=rate,
                samples_per_second=round(self._rows / seconds, 1),
                tokens_per_second=round(self._tokens / seconds, 1),
                memory_bytes=memory_bytes(self._engine.processes.device),
            )
            self._since, self._rows, self._tokens = time.perf_counter(), 0, 0
        if self._checkpoint_steps and state.done % self._checkpoint_steps == 0:
            self._checkpoints.save(state, self._engine.model, self._engine.optimizer)

    def finished(self, state: TrainingState, epoch: Epoch) -> None:
        """Record a finished epoch: log its scores and write a checkpoint."""
        if self._journal is None or self._checkpoints is None:
            return
        values = to_dict(epoch)
        scores = {each.pop("task"): each for each in values.pop("validation")}
        self._journal.record("epoch", state.done, **values, validation=scores)
        self._checkpoints.save(state, self._engine.model, self._engine.optimizer)
        self._since, self._rows, self._tokens = time.perf_counter(), 0, 0
