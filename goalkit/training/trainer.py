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

UNKNOWN_LIMIT = 0.05
"""Maximum share of unknown pieces in the training texts without a warning."""


@attrs.frozen(kw_only=True)
class Trainer(TrainingSettings):
    """Fits a model. The settings are inherited from `TrainingSettings`, which describes each of them."""

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
        """Train a copy of `model` on `splits.train`, and select the best epoch on `splits.validation`.

        Under `torchrun` the processes share every batch. All of them return the same model; only the first one writes files.

        Args:
            model: the model to start from; it is not changed.
            splits: labelled rows, matched with the model's tasks and labels by name; `test` is not used.
            objective: the objective to minimise on the training rows, whose order is that of `splits.train`; by default the
                sum of the tasks' cross-entropies.
            folder: where `log.jsonl` and a checkpoint are written, by one training run at a time; by default nothing is
                written.
            resume: continue from the folder's checkpoint, to the same weights as without an interruption; if there is none,
                start from the beginning.
            checkpoint_steps: write a checkpoint every this many steps, in addition to the one after each epoch.
            tensorboard: also write TensorBoard event files to the folder.
            on_epoch: called after each epoch; an exception that it raises ends training.
            progress: show a progress bar.

        Raises:
            DatasetError: the rows lack one of the model's tasks, or have a label that the model does not know.
            TrainingError: a label has no training rows, `task_weights` has an unknown task, `frozen_layers` is more than the
                encoder's layers, an option needs a folder, another training run writes to the folder, memory runs out, or the
                checkpoint is damaged or belongs to another training run.
            DivergedError: the loss becomes NaN or infinite.
            StorageError: the folder cannot be written; the message names the last good checkpoint.
        """
        _check_task_weights(self, model)
        rows, validation = rows_to_learn(model, splits.train), splits.validation.with_tasks(model.tasks)
        _warn_about_unknown(model, rows)
        objective = objective or CrossEntropy.of(rows, self)
        student, data_digest = model.copy(), rows.digest()
        longest = min(self.max_length, model.encoder.max_length)
        encoded = EncodedRows.of(rows, model.tokenizer, longest)
        state = train(
            student,
            encoded.extended(objective.unlabelled, model.tokenizer, longest) if objective.unlabelled else encoded,
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
        return state.run(student, self, data_digest, temperatures)


def _warn_about_unknown(model: GoalModel, rows: Dataset) -> None:
    unknown = model.tokenizer.unknown_share(rows.texts)
    if unknown > UNKNOWN_LIMIT:
        logger.warning(
            "%.0f %% of the pieces in the training texts are unknown to the vocabulary: build one from these texts with "
            "from_backbone(..., vocabulary_from=texts) or goalkit train --own-vocabulary",
            100 * unknown,
        )


def _check_task_weights(trainer: Trainer, model: GoalModel) -> None:
    names = [task.name for task in model.tasks]
    if unknown := set(trainer.task_weights) - set(names):
        raise TrainingError(
            f"task_weights has {', '.join(sorted(unknown))}, which the model does not predict: use only {', '.join(names)}"
        )
