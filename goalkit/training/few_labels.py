"""FewLabelsTrainer: fits a GoalModel to 8 to 500 labelled goals, a typical number to start with."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from goalkit.configuration import between, one_of, to_dict
from goalkit.datasets import Dataset
from goalkit.errors import TrainingError
from goalkit.extras import extra
from goalkit.model import GoalModel
from goalkit.training.batching import Places
from goalkit.training.contrastive import SupervisedContrast, balanced_batches
from goalkit.training.encoding import EncodedRows, rows_to_learn
from goalkit.training.loop import Bookkeeping, train
from goalkit.training.settings import TrainingSettings
from goalkit.weights import stored_weights

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Inverse strengths of regularisation to choose from (`C` of scikit-learn), for standardised embeddings."""
FALLBACK = 1e-2
"""Inverse strength of regularisation if a label has too few rows for cross-validation."""
FOLDS = 4
WARMUP = 0.1


@attrs.frozen(kw_only=True)
class FewLabelsTrainer:
    """Fits a model to few labelled rows: tunes the encoder if requested, then fits the heads by logistic regression.

    Args:
        tuning: "frozen" does not change the encoder; "contrastive" first tunes it so that, in every task, embeddings of the
            same label move together and those of different labels move apart (Khosla et al., 2020, arXiv 2004.11362).
        steps: number of steps of contrastive tuning.
        learning_rate: peak learning rate of AdamW during tuning.
        batch_size: number of rows per step, the same number for each label.
        temperature: divisor of the cosines; the lower it is, the more the hardest negatives count.
        max_length: maximum number of tokens per text while the encoder is tuned; longer texts are cut.
        seed: seed of row order, dropout and folds; the same seed on the same machine gives the same weights.
        precision: precision of tuning: "float32", "bfloat16", or "auto": bfloat16 if the device supports it natively, else
            float32.
    """

    tuning: str = attrs.field(default="contrastive", validator=one_of("frozen", "contrastive"))
    steps: int = attrs.field(default=60, validator=between(1, whole=True))
    learning_rate: float = attrs.field(default=1e-4, validator=between(0, 1, above=True))
    batch_size: int = attrs.field(default=64, validator=between(4, whole=True))
    temperature: float = attrs.field(default=0.1, validator=between(0, above=True))
    max_length: int = attrs.field(default=128, validator=between(3, whole=True))
    seed: int = attrs.field(default=0, validator=between(0, 2**32 - 1, whole=True))
    precision: str = attrs.field(default="auto", validator=one_of("auto", "float32", "bfloat16"))

    def fit(
        self,
        model: GoalModel,
        rows: Dataset,
        *,
        folder: str | Path | None = None,
        resume: bool = False,
        checkpoint_steps: int | None = None,
        tensorboard: bool = False,
        progress: bool = True,
    ) -> FewLabelsRun:
        """Fit a copy of `model` to all of `rows`. No rows are held out, so evaluate the model on other rows.

        Args:
            model: the model to start from, with a pre-trained encoder; it is not changed.
            rows: training rows, at least one per label; matched with the model's tasks and labels by name.
            folder: where contrastive tuning writes `log.jsonl` and a checkpoint; nothing is written by default.
            resume: continue contrastive tuning from the folder's checkpoint; if there is none, start from the beginning.
            checkpoint_steps: write a checkpoint every this many steps, in addition to the one at the end.
            tensorboard: also write TensorBoard event files to the folder.
            progress: show a progress bar while the encoder is tuned.

        Raises:
            DatasetError: the rows lack one of the model's tasks, or have a label that the model does not know.
            TrainingError: a label has no rows, the encoder to tune is compressed, `folder` or `resume` is given although
                nothing is tuned, another training run writes to the folder, the checkpoint is damaged or belongs to another
                training run, memory runs out, or the loss or the embeddings become NaN or infinite.
            StorageError: the folder cannot be written; the message names the last good checkpoint.
        """
        rows = rows_to_learn(model, rows)
        start = time.perf_counter()
        student = model.copy()
        losses: list[float] = []
        if self.tuning == "contrastive":
            bookkeeping = Bookkeeping(
                folder=folder,
                resume=resume,
                checkpoint_steps=checkpoint_steps,
                tensorboard=tensorboard,
                progress=progress,
            )
            losses = self._tune(student, rows, bookkeeping)
        elif folder is not None or resume:
            raise TrainingError("tuning='frozen' has no steps to log or to resume: omit folder and resume")
        embeddings = student.embed(rows.texts)
        if not np.isfinite(embeddings).all():
            raise TrainingError("the model's embeddings contain NaN or infinity: start from another model")
        strengths = {
            task.name: fit_head(student.heads[task.name], embeddings, rows.label_ids(task), self.seed) for task in student.tasks
        }
        return FewLabelsRun(
            model=student,
            trainer=self,
            losses=tuple(losses),
            strengths=strengths,
            seconds=round(time.perf_counter() - start, 3),
            data_digest=rows.digest(),
        )

    def _tune(self, model: GoalModel, rows: Dataset, bookkeeping: Bookkeeping) -> list[float]:
        """Tune the encoder in place and return the loss of each step."""
        if any(stored_weights(model)):
            raise TrainingError("the encoder is compressed and cannot be tuned: use the original model, or tuning='frozen'")
        settings = TrainingSettings(
            epochs=1, learning_rate=self.learning_rate, warmup=WARMUP, seed=self.seed, precision=self.precision
        )
        encoded = EncodedRows.of(rows, model.tokenizer, min(self.max_length, model.encoder.max_length))

        def order(epoch: int) -> list[list[Places]]:
            random = np.random.default_rng(self.seed)
            return [
                [places] for places in balanced_batches(encoded.labels, size=self.batch_size, steps=self.steps, random=random)
            ]

        identity = {"trainer": to_dict(self), "model_sha256": model.digest(), "data_sha256": rows.digest()}
        objective = SupervisedContrast(self.temperature)
        state = train(model, encoded, objective, settings, bookkeeping, identity=identity, order=order, train_heads=False)
        return state.losses


@attrs.frozen
class FewLabelsRun:
    """A finished training run on few labels.

    Args:
        model: the trained model, in evaluation mode and on the CPU.
        trainer: settings of the training run.
        losses: loss of each step of contrastive tuning; empty if the encoder was frozen.
        strengths: inverse strength of regularisation (`C` of scikit-learn) of each task's head.
        seconds: duration of the training run.
        data_digest: fingerprint of the rows (`Dataset.digest`).
    """

    model: GoalModel = attrs.field(repr=False)
    trainer: FewLabelsTrainer
    losses: tuple[float, ...] = attrs.field(repr=lambda losses: f"<{len(losses)} steps>")
    strengths: dict[str, float]
    seconds: float
    data_digest: str

    def record(self) -> dict[str, Any]:
        """Return everything except the model, ready for JSON."""
        return {
            "trainer": to_dict(self.trainer),
            "data_sha256": self.data_digest,
            "strengths": self.strengths,
            "losses": list(self.losses),
            "seconds": self.seconds,
        }

    def save(self, folder: str | Path) -> Path:
        """Write the model folder, including `training.json` with settings, data fingerprint and losses."""
        return self.model.save(folder, records={"training.json": self.record()})


def fit_head(head: nn.Linear, embeddings: npt.NDArray[np.float32], truth: npt.NDArray[np.int64], seed: int) -> float:
    """Fit a head by logistic regression and return the inverse strength of its regularisation.

    The regression is fitted on standardised embeddings, and the standardisation is folded into weight and bias. The strength is
    chosen by log loss in cross-validation, or is `FALLBACK` if a label has fewer than `FOLDS` rows.

    Args:
        head: the head to overwrite, from H to the labels.
        embeddings: float32 [N, H].
        truth: label ids, int64 [N]; every label occurs at least once.
        seed: seed of the folds.
    """
    with extra("train"):
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import GridSearchCV, StratifiedKFold
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

    estimator = make_pipeline(StandardScaler(), LogisticRegression(C=FALLBACK, max_iter=1000))
    values = embeddings.astype(np.float64)
    if np.bincount(truth).min() >= FOLDS:
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
        search = GridSearchCV(estimator, {"logisticregression__C": STRENGTHS}, scoring="neg_log_loss", cv=folds, refit=False)
        estimator.set_params(**search.fit(values, truth).best_params_)
    scaler, regression = estimator.fit(values, truth)
    weight = regression.coef_ / scaler.scale_
    bias = regression.intercept_ - weight @ scaler.mean_
    if len(weight) == 1:  # two labels: split the log odds of the second one evenly between them
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(weight))
        head.bias.copy_(torch.from_numpy(bias))
    return float(regression.C)
