"""FewLabelsTrainer: fits a GoalModel to 8 to 500 labelled goals, the number that people start with."""

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
"""Inverse strengths of regularisation to choose from, scikit-learn's `C`, for embeddings that are standardised."""
FALLBACK = 1e-2
"""Used where a label has too few rows for cross-validation."""
FOLDS = 4
WARMUP = 0.1


@attrs.frozen(kw_only=True)
class FewLabelsTrainer:
    """Fits a model to few labelled rows: the encoder by contrast or not at all, then each head by logistic regression.

    Args:
        tuning: "frozen" leaves the encoder as it is; "contrastive" first draws embeddings of one label together and those of
            others apart, in every task (Khosla et al., 2020, arXiv 2004.11362).
        steps: of contrastive tuning.
        learning_rate: its peak, of AdamW.
        batch_size: rows per step, the same number of each label.
        temperature: what cosines are divided by; the lower, the more the hardest negatives count.
        max_length: longer texts are cut to this many tokens while the encoder is tuned.
        seed: of rows and dropout; the same seed on the same machine gives the same weights.
        precision: of tuning: "float32", "bfloat16", or "auto" for bfloat16 where the device multiplies it natively.
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
        """Fit a copy of `model` to all of `rows`; nothing is held back, so score it on others.

        Args:
            model: where to start from, with a pre-trained encoder; it stays as it is.
            rows: one at least of every label. Matched with the model's tasks and labels by name.
            folder: where contrastive tuning keeps `log.jsonl` and a checkpoint; without it, nothing is written.
            resume: continue contrastive tuning from the folder's checkpoint; without one, start afresh.
            checkpoint_steps: write a checkpoint after so many steps, in addition to the one at the end.
            tensorboard: write event files into the folder, too.
            progress: show a progress bar while the encoder is tuned.

        Raises:
            DatasetError: the rows lack one of the model's tasks, or have a label that the model does not know.
            TrainingError: the rows lack a label altogether, the encoder to tune is compressed, another training writes to the
                folder, memory does not suffice, or the loss or the embeddings stop being numbers.
            StorageError: the folder cannot be written.
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
            raise TrainingError("tuning='frozen' has no steps to log or to resume: leave folder and resume out")
        embeddings = student.embed(rows.texts)
        if not np.isfinite(embeddings).all():
            raise TrainingError("the model's embeddings are not numbers (NaN or infinity): start from a sound model")
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
        """Tune the encoder in place, and return the loss of every step."""
        if any(stored_weights(model)):
            raise TrainingError("the encoder is compressed and cannot be tuned: take the original model, or tuning='frozen'")
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
    """A finished training on few labels.

    Args:
        model: in evaluation mode, on the CPU.
        trainer: the configuration.
        losses: of every step of contrastive tuning; none if the encoder stayed as it was.
        strengths: the inverse strength of regularisation, scikit-learn's `C`, of each task's head.
        seconds: it took.
        data_digest: fingerprint of the rows (`Dataset.digest`).
    """

    model: GoalModel = attrs.field(repr=False)
    trainer: FewLabelsTrainer
    losses: tuple[float, ...] = attrs.field(repr=lambda losses: f"<{len(losses)} steps>")
    strengths: dict[str, float]
    seconds: float
    data_digest: str

    def record(self) -> dict[str, Any]:
        """All but the model, ready for JSON."""
        return {
            "trainer": to_dict(self.trainer),
            "data_sha256": self.data_digest,
            "strengths": self.strengths,
            "losses": list(self.losses),
            "seconds": self.seconds,
        }

    def save(self, folder: str | Path) -> Path:
        """Write the model folder, and `training.json` with configuration and data fingerprint into it."""
        return self.model.save(folder, records={"training.json": self.record()})


def fit_head(head: nn.Linear, embeddings: npt.NDArray[np.float32], truth: npt.NDArray[np.int64], seed: int) -> float:
    """Write a logistic regression into a head, and return its inverse strength of regularisation.

    It is fitted on standardised embeddings, and the standardisation is folded into weight and bias. The strength is the one
    whose probabilities are best in cross-validation, or `FALLBACK` if a label has fewer than `FOLDS` rows.

    Args:
        head: from H to the labels.
        embeddings: float32 [N, H].
        truth: int64 [N], every label at least once.
        seed: of the folds.
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
    if len(weight) == 1:  # two labels: the second's log odds, halved between them
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(weight))
        head.bias.copy_(torch.from_numpy(bias))
    return float(regression.C)
