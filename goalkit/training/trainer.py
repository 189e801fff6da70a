"""Trainer: fits a GoalModel to labelled goals."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path

import attrs
import torch

from goalkit.configuration import between, one_of, to_dict
from goalkit.datasets import Dataset, Splits
from goalkit.errors import TrainingError
from goalkit.evaluation.calibration import calibrate
from goalkit.model import GoalModel
from goalkit.training.dropout import fast_dropout
from goalkit.training.encoding import rows_to_learn
from goalkit.training.engine import Engine
from goalkit.training.locking import only_training
from goalkit.training.loop import train
from goalkit.training.optimization import frozen
from goalkit.training.processes import Processes
from goalkit.training.recorder import Recorder
from goalkit.training.run import Epoch, TrainingRun

logger = logging.getLogger(__name__)

COVERAGE_FLOOR = 0.05
"""A larger share of unknown pieces in the training texts is warned about."""


@attrs.frozen(kw_only=True)
class Trainer:
    """Fits a model: how to learn, what to learn from it, and when to stop.

    Args:
        epochs: the most passes over the training rows.
        learning_rate: the peak; small models trained from scratch want 5e-4, pre-trained ones 2e-5 to 1e-4.
        batch_size: rows a batch.
        batch_tokens: instead of `batch_size`, the most tokens a batch may have with its padding.
        accumulation: batches whose gradients are added up for a step.
        optimizer: "adamw" (Loshchilov & Hutter, 2019, arXiv 1711.05101), or "sgd" with `momentum`.
        momentum: of SGD.
        weight_decay: on matrices only.
        schedule: how the rate falls after its climb: "linear" or "cosine", to zero, or "constant", not at all.
        warmup: share of all steps in which the rate climbs to its peak.
        layer_decay: factor of the rate from each layer to the one below (Clark et al., 2020, arXiv 2003.10555); 1 for none.
        frozen_layers: embeddings and this many of the lowest layers stay as they are; all of them leaves only the heads.
        dropout: rate of all dropout layers; none for the backbone's own.
        label_smoothing: share of the truth that is spread over all labels.
        class_weights: "balanced" weighs labels by the inverse of their frequency, "none" alike.
        task_weights: how much a task's loss counts, where not 1.
        clip_norm: the gradients of a step are scaled down to this norm.
        metric: by which epochs are compared on the validation rows: "macro_f1" or "accuracy", the mean over tasks, or "loss".
        patience: stop after this many epochs without a better one.
        temperature: fit a temperature to each task on the validation rows and fold it into the head (see `calibrate`).
        max_length: longer texts are cut to this many tokens.
        seed: of row order and dropout; the same seed on the same machine gives the same weights.
        precision: "float32", "bfloat16", or "auto" for bfloat16 where the device multiplies it natively.
    """

    epochs: int = attrs.field(default=5, validator=between(1, whole=True))
    learning_rate: float = attrs.field(default=1e-4, validator=between(0, 1, above=True))
    batch_size: int = attrs.field(default=16, validator=between(1, whole=True))
    batch_tokens: int | None = attrs.field(default=None, validator=attrs.validators.optional(between(3, whole=True)))
    accumulation: int = attrs.field(default=1, validator=between(1, whole=True))
    optimizer: str = attrs.field(default="adamw", validator=one_of("adamw", "sgd"))
    momentum: float = attrs.field(default=0.9, validator=between(0, 1))
    weight_decay: float = attrs.field(default=0.01, validator=between(0, 1))
    schedule: str = attrs.field(default="linear", validator=one_of("linear", "cosine", "constant"))
    warmup: float = attrs.field(default=0.1, validator=between(0, 1))
    layer_decay: float = attrs.field(default=1.0, validator=between(0, 1, above=True))
    frozen_layers: int = attrs.field(default=0, validator=between(0, whole=True))
    dropout: float | None = attrs.field(default=None, validator=attrs.validators.optional(between(0, 0.9)))
    label_smoothing: float = attrs.field(default=0.0, validator=between(0, 0.9))
    class_weights: str = attrs.field(default="none", validator=one_of("none", "balanced"))
    task_weights: Mapping[str, float] = attrs.field(factory=dict)
    clip_norm: float = attrs.field(default=1.0, validator=between(0, above=True))
    metric: str = attrs.field(default="macro_f1", validator=one_of("macro_f1", "accuracy", "loss"))
    patience: int = attrs.field(default=3, validator=between(1, whole=True))
    temperature: bool = True
    max_length: int = attrs.field(default=128, validator=between(3, whole=True))
    seed: int = attrs.field(default=0, validator=between(0, 2**32 - 1, whole=True))
    precision: str = attrs.field(default="auto", validator=one_of("auto", "float32", "bfloat16"))

    def fit(
        self,
        model: GoalModel,
        splits: Splits,
        *,
        folder: str | Path | None = None,
        resume: bool = False,
        checkpoint_steps: int | None = None,
        tensorboard: bool = False,
        on_epoch: Callable[[Epoch], None] | None = None,
        progress: bool = True,
    ) -> TrainingRun:
        """Train a copy of `model` on `splits.train`, choosing the epoch by `splits.validation`.

        Under `torchrun` the processes share every batch; each returns the same model, the first one writes.

        Args:
            model: where to start from; it stays as it is.
            splits: matched with the model's tasks and labels by name; `test` is not looked at.
            folder: where `log.jsonl` and a checkpoint are kept, of one training at a time; without it, nothing is written.
            resume: go on from the folder's checkpoint to the weights of an uninterrupted training; without one, start afresh.
            checkpoint_steps: write a checkpoint after so many steps, beside the one after each epoch.
            tensorboard: write event files into the folder, too.
            on_epoch: called after each epoch; what it raises ends the training.
            progress: show a progress bar.

        Raises:
            DatasetError: the rows lack one of the model's tasks, or have a label that the model does not know.
            TrainingError: the training rows lack a label altogether, another training writes to the folder, memory does not
                suffice, or the checkpoint is damaged or of another training.
            DivergedError: the loss stops being a number.
            StorageError: the folder cannot be written; the last good checkpoint is named.
        """
        _check_task_weights(self, model)
        rows, validation = rows_to_learn(model, splits.train), splits.validation.with_tasks(model.tasks)
        _warn_of_unknown(model, rows)
        processes = Processes.current()
        data_digest = rows.digest()
        identity = {"trainer": to_dict(self), "model_sha256": model.digest(), "data_sha256": data_digest}
        student = model.copy().to(processes.device)
        cuda = [processes.device] if processes.device.type == "cuda" else []
        alone = only_training(Path(folder), processes) if folder is not None else nullcontext()
        with alone, torch.random.fork_rng(cuda), frozen(student, self.frozen_layers), fast_dropout(student, self.dropout):
            engine = Engine.of(self, student, rows, processes)
            recorder = Recorder(folder, identity, engine, checkpoint_steps=checkpoint_steps, tensorboard=tensorboard)
            with recorder.opened(resume=resume) as state:
                train(engine, validation, state, recorder, on_epoch=on_epoch, progress=progress)
        student.load_state_dict(state.best)
        student, temperatures = student.cpu().eval(), {}
        if self.temperature:
            student, temperatures = attrs.astuple(calibrate(student, validation), recurse=False)
        return TrainingRun(
            model=student,
            trainer=self,
            epochs=tuple(state.epochs),
            best_epoch=state.leader.number,
            losses=tuple(state.losses),
            temperatures=temperatures,
            data_digest=data_digest,
        )


def _warn_of_unknown(model: GoalModel, rows: Dataset) -> None:
    unknown = model.tokenizer.unknown_share(rows.texts)
    if unknown > COVERAGE_FLOOR:
        logger.warning(
            "%.0f %% of the pieces in the training texts are unknown to the vocabulary; build one from the texts with "
            "from_backbone(..., vocabulary_from=texts), or goalkit train --own-vocabulary",
            100 * unknown,
        )


def _check_task_weights(trainer: Trainer, model: GoalModel) -> None:
    if strange := set(trainer.task_weights) - {task.name for task in model.tasks}:
        raise TrainingError(
            f"task_weights names {', '.join(sorted(strange))}; the tasks are {', '.join(task.name for task in model.tasks)}"
        )
