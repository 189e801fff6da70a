"""Trainer: fits a GoalModel to labelled goals."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import attrs

from goalkit.configuration import to_dict
from goalkit.datasets import Dataset, Splits
from goalkit.errors import TrainingError
from goalkit.evaluation.calibration import calibrate
from goalkit.model import GoalModel
from goalkit.training.encoding import EncodedRows, rows_to_learn
from goalkit.training.loop import Bookkeeping, train
from goalkit.training.objective import CrossEntropy, Objective
from goalkit.training.run import Epoch, TrainingRun
from goalkit.training.settings import TrainingSettings

logger = logging.getLogger(__name__)

COVERAGE_FLOOR = 0.05
"""A larger share of unknown pieces in the training texts is warned about."""


@attrs.frozen(kw_only=True)
class Trainer(TrainingSettings):
    """Fits a model, as the settings say that it inherits; see `TrainingSettings` for each of them."""

    def fit(
        self,
        model: GoalModel,
        splits: Splits,
        *,
        objective: Objective | None = None,
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
            objective: what is minimised on the training rows, in the order of `splits.train`; by default the cross-entropy of
                every task.
            folder: where `log.jsonl` and a checkpoint are kept, of one training at a time; without it, nothing is written.
            resume: continue from the folder's checkpoint, to the same weights as without a break; without one, start afresh.
            checkpoint_steps: write a checkpoint after so many steps, in addition to the one after each epoch.
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
        objective = objective or CrossEntropy.of(rows, self)
        student, data_digest = model.copy(), rows.digest()
        state = train(
            student,
            EncodedRows.of(rows, model.tokenizer, min(self.max_length, model.encoder.max_length)),
            objective,
            self,
            Bookkeeping(
                folder=folder,
                resume=resume,
                checkpoint_steps=checkpoint_steps,
                tensorboard=tensorboard,
                on_epoch=on_epoch,
                progress=progress,
            ),
            identity={
                "trainer": to_dict(self),
                "objective": objective.fingerprint(),
                "model_sha256": model.digest(),
                "data_sha256": data_digest,
            },
            validation=validation,
        )
        temperatures: dict[str, float] = {}
        if self.calibrate:
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
