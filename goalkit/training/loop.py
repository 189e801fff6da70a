"""The loop of a training: epochs of steps, a validation after each, until the last or until nothing gets better."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import numpy as np
from tqdm.auto import tqdm

from goalkit.datasets import Dataset
from goalkit.evaluation.scores import TaskScore
from goalkit.training.engine import Engine
from goalkit.training.optimization import rate_factor
from goalkit.training.recorder import Recorder
from goalkit.training.run import Epoch
from goalkit.training.state import TrainingState

logger = logging.getLogger(__name__)


def train(
    engine: Engine,
    validation: Dataset,
    state: TrainingState,
    recorder: Recorder,
    *,
    on_epoch: Callable[[Epoch], None] | None,
    progress: bool,
) -> None:
    """Take a training from `state`, its beginning or a checkpoint, to its end."""
    trainer = engine.trainer
    first = engine.processes.first
    with tqdm(desc="training", unit="step", initial=state.done, disable=not (progress and first)) as bar:
        while not _finished(state, trainer.epochs, trainer.patience):
            steps = engine.steps(state.epoch)
            bar.total = len(steps) * trainer.epochs
            clock = time.perf_counter() - state.seconds
            for batches in steps[state.step :]:
                rate = trainer.learning_rate * rate_factor(trainer, state.done, bar.total)
                loss = engine.step(batches, state.done, rate)
                state.advance(loss, sum(map(len, batches)), time.perf_counter() - clock)
                recorder.stepped(state, batches, rate)
                bar.update()
            scores, validation_loss = engine.validate(validation)
            epoch = Epoch(
                number=state.epoch,
                loss=state.loss / len(engine.rows),
                validation=scores,
                validation_loss=validation_loss,
                score=_judged(scores, validation_loss, trainer.metric),
                seconds=round(time.perf_counter() - clock, 3),
            )
            state.finish(epoch, engine.model)
            recorder.finished(state, epoch)
            bar.set_postfix_str(f"loss {epoch.loss:.3f}, validation {trainer.metric} {epoch.score:.3f}")
            if on_epoch is not None:
                on_epoch(epoch)
            logger.info("epoch %d: loss %.4f, validation %s %.4f", epoch.number, epoch.loss, trainer.metric, epoch.score)


def _finished(state: TrainingState, epochs: int, patience: int) -> bool:
    return state.epoch > epochs or (bool(state.epochs) and state.epochs[-1].number - state.leader.number >= patience)


def _judged(scores: tuple[TaskScore, ...], loss: float, metric: str) -> float:
    return -loss if metric == "loss" else float(np.mean([getattr(score, metric) for score in scores]))
