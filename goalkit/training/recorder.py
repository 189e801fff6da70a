"""What a training writes while it runs: its log, and checkpoints to resume from."""

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
"""Steps that a line of the log sums up."""


class Recorder:
    """Keeps a training's log and latest checkpoint in a folder; without a folder it keeps nothing.

    Args:
        folder: for `log.jsonl`, `checkpoint/` and, if asked, `tensorboard/`.
        identity: configuration, and fingerprints of model and data; a checkpoint with others is refused.
        engine: of the training. Only its first process writes.
        checkpoint_steps: write a checkpoint after so many steps, in addition to the one after each epoch.
        tensorboard: whether to write event files.
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
            raise TrainingError("there is no folder to write into: give fit(…, folder=…)")
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
        """Yield the state to start from. If the block is interrupted, the last good checkpoint is named.

        Raises:
            TrainingError: there is no folder to resume from, or its checkpoint is damaged or of another training.
        """
        if self._folder is None or self._checkpoints is None:
            if resume:
                raise TrainingError("there is no folder to resume from: give fit(…, folder=…)")
            yield TrainingState()
            return
        found = self._checkpoints.load(self._engine.model, self._engine.optimizer) if resume else None
        if resume and found is None and self._engine.processes.first:
            logger.warning("there is no checkpoint in %s to resume from: the training starts afresh", self._folder)
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
        """After a step: log what the last ones gave, and write a checkpoint if it is time to."""
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
        """After an epoch: log its scores, and write a checkpoint."""
        if self._journal is None or self._checkpoints is None:
            return
        values = to_dict(epoch)
        scores = {each.pop("task"): each for each in values.pop("validation")}
        self._journal.record("epoch", state.done, **values, validation=scores)
        self._checkpoints.save(state, self._engine.model, self._engine.optimizer)
        self._since, self._rows, self._tokens = time.perf_counter(), 0, 0
