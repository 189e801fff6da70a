"""The training loop: epochs of steps with a validation after each, until the last epoch or early stopping."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import torch
from tqdm.auto import tqdm

from goalkit.datasets import Dataset
from goalkit.errors import TrainingError
from goalkit.evaluation.scores import TaskScore
from goalkit.model import GoalModel
from goalkit.training.batching import Places, epoch_steps
from goalkit.training.dropout import fast_dropout
from goalkit.training.encoding import EncodedRows
from goalkit.training.engine import Engine
from goalkit.training.locking import only_training
from goalkit.training.objective import Objective
from goalkit.training.optimization import frozen, rate_factor
from goalkit.training.processes import Processes
from goalkit.training.recorder import Recorder
from goalkit.training.run import Epoch
from goalkit.training.settings import TrainingSettings
from goalkit.training.state import TrainingState

logger = logging.getLogger(__name__)


@attrs.frozen(kw_only=True)
class Bookkeeping:
    """What a training run writes and shows while it runs. None of it changes the result.

    Args:
        folder: where `log.jsonl` and a checkpoint are written, by one training run at a time; nothing is written by default.
        resume: continue from the folder's checkpoint; if there is none, start from the beginning.
        checkpoint_steps: write a checkpoint every this many steps, in addition to the one after each epoch.
        tensorboard: also write TensorBoard event files to the folder.
        on_epoch: called after each epoch; an exception that it raises ends training.
        progress: show a progress bar.
    """

    folder: str | Path | None = None
    resume: bool = False
    checkpoint_steps: int | None = None
    tensorboard: bool = False
    on_epoch: Callable[[Epoch], None] | None = None
    progress: bool = True


def train(
    model: GoalModel,
    rows: EncodedRows,
    objective: Objective,
    settings: TrainingSettings,
    bookkeeping: Bookkeeping,
    *,
    identity: dict[str, Any],
    validation: Dataset | None = None,
    order: Callable[[int], list[list[Places]]] | None = None,
    train_heads: bool = True,
) -> TrainingState:
    """Train a model in place. Afterwards it has the weights of its best epoch, on the CPU and in evaluation mode.

    Under `torchrun` the processes share every batch. All of them get the same model; only the first one writes files.

    Args:
        model: the model to train.
        rows: the training rows.
        objective: the objective to minimise.
        settings: settings of the training run.
        bookkeeping: what to write and show during training.
        identity: configuration and fingerprints, ready for JSON; a checkpoint is resumed only if its identity is equal.
        validation: rows labelled for the model's tasks, used to select the best epoch; by default the training loss is used.
        order: returns the steps of an epoch, given its number from 1; by default all rows in random order, grouped by length.
        train_heads: whether to train the heads as well as the encoder.

    Raises:
        TrainingError: the objective has data for another number of rows, another training run writes to the folder, memory
            runs out, or the checkpoint is damaged or belongs to another training run.
        DivergedError: the loss becomes NaN or infinite.
        StorageError: the folder cannot be written; the message names the last good checkpoint.
    """
    if objective.expected_rows not in (None, len(rows)):
        raise TrainingError(
            f"the objective has data for {objective.expected_rows} texts, and there are {len(rows)} training rows: give it the "
            "teacher's results for the training rows, in their order"
        )
    processes = Processes.current()
    model.to(processes.device)
    cuda = [processes.device] if processes.device.type == "cuda" else []
    folder = None if bookkeeping.folder is None else Path(bookkeeping.folder)
    with (
        nullcontext() if folder is None else only_training(folder, processes),
        torch.random.fork_rng(cuda),
        frozen(model, settings.frozen_layers, heads=not train_heads),
        fast_dropout(model, settings.dropout),
    ):
        engine = Engine(settings, model, rows, objective, order or _default_order(settings, rows), processes)
        recorder = Recorder(
            folder,
            identity,
            engine,
            checkpoint_steps=bookkeeping.checkpoint_steps,
            tensorboard=bookkeeping.tensorboard,
        )
        with recorder.opened(resume=bookkeeping.resume) as state:
            _run_epochs(engine, validation, state, recorder, bookkeeping)
    model.load_state_dict(state.best)
    model.cpu().eval()
    return state


def _default_order(settings: TrainingSettings, rows: EncodedRows) -> Callable[[int], list[list[Places]]]:
    def order(epoch: int) -> list[list[Places]]:
        return epoch_steps(
            rows.lengths,
            rows=settings.batch_size,
            tokens=settings.batch_tokens,
            accumulation=settings.accumulation,
            seed=settings.seed,
            epoch=epoch,
        )

    return order


def _run_epochs(
    engine: Engine, validation: Dataset | None, state: TrainingState, recorder: Recorder, bookkeeping: Bookkeeping
) -> None:
    """Run the remaining epochs, starting from a new or resumed `state`."""
    settings = engine.settings
    metric = settings.metric if validation is not None else "loss"
    epochs = settings.epochs_of(len(engine.order(1)))
    shown = bookkeeping.progress and engine.processes.first
    with tqdm(desc="training", unit="step", initial=state.done, disable=not shown) as bar:
        while not _finished(state, epochs, settings.patience):
            steps = engine.order(state.epoch)
            bar.total = len(steps) * epochs
            clock = time.perf_counter() - state.seconds
            for batches in steps[state.step :]:
                rate = settings.learning_rate * rate_factor(settings, state.done, bar.total)
                loss = engine.step(batches, state.done, rate)
                state.advance(loss, sum(map(len, batches)), time.perf_counter() - clock)
                recorder.stepped(state, batches, rate)
                bar.update()
            loss = state.loss / sum(len(batch) for batches in steps for batch in batches)
            scores, validation_loss = engine.validate(validation) if validation is not None else ((), None)
            epoch = Epoch(
                number=state.epoch,
                loss=loss,
                validation=scores,
                validation_loss=validation_loss,
                score=_epoch_score(scores, loss if validation_loss is None else validation_loss, metric),
                seconds=round(time.perf_counter() - clock, 3),
            )
            state.finish(epoch, engine.model)
            recorder.finished(state, epoch)
            shown_score = f"{metric if validation is None else f'validation {metric}'} {epoch.score:.3f}"
            bar.set_postfix_str(f"loss {epoch.loss:.3f}, {shown_score}")
            if bookkeeping.on_epoch is not None:
                bookkeeping.on_epoch(epoch)
            logger.info("epoch %d: loss %.4f, %s %.4f", epoch.number, epoch.loss, metric, epoch.score)


def _finished(state: TrainingState, epochs: int, patience: int) -> bool:
    return state.epoch > epochs or (bool(state.epochs) and state.epochs[-1].number - state.leader.number >= patience)


def _epoch_score(scores: tuple[TaskScore, ...], loss: float, metric: str) -> float:
    return -loss if metric == "loss" else float(np.mean([getattr(score, metric) for score in scores]))
