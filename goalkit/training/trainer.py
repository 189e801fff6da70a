"""Trainer: fits a GoalModel to labelled goals."""

from __future__ import annotations

import logging
import math
import time
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm.auto import tqdm

from goalkit.configuration import between, one_of, to_dict, write_json
from goalkit.datasets import Dataset, Splits
from goalkit.errors import TrainingError
from goalkit.model import GoalModel
from goalkit.precision import best_precision
from goalkit.storage import MODEL, replacing_folder
from goalkit.training.batching import epoch_batches
from goalkit.training.evaluation import TaskScore, evaluate

logger = logging.getLogger(__name__)

COVERAGE_FLOOR = 0.05
"""A larger share of unknown pieces in the training texts is warned about."""


@attrs.frozen
class Epoch:
    """What one pass over the training rows gave: mean loss, scores on the validation rows, and seconds."""

    number: int
    loss: float
    validation: tuple[TaskScore, ...]
    seconds: float

    @property
    def validation_score(self) -> float:
        """Mean macro-F1 over the tasks, by which epochs are compared."""
        return float(np.mean([score.macro_f1 for score in self.validation]))


@attrs.frozen
class TrainingRun:
    """A finished training: the best model, and how it came about."""

    model: GoalModel = attrs.field(repr=False)
    trainer: Trainer
    epochs: tuple[Epoch, ...] = attrs.field(repr=lambda epochs: f"<{len(epochs)} epochs>")
    best_epoch: int
    data_digest: str

    def save(self, folder: str | Path) -> Path:
        """Write the model folder, and `training.json` with configuration, data fingerprint and every epoch into it."""
        record = {
            "trainer": to_dict(self.trainer),
            "data_sha256": self.data_digest,
            "best_epoch": self.best_epoch,
            "epochs": [to_dict(epoch) for epoch in self.epochs],
        }
        folder = Path(folder)
        with replacing_folder(folder, MODEL) as temporary:
            self.model.write_files(temporary)
            write_json(temporary / "training.json", record)
        return folder


@attrs.frozen(kw_only=True)
class Trainer:
    """Fits a model with AdamW, linear warm-up and decay, gradient clipping and early stopping.

    Args:
        epochs: the most passes over the training rows.
        learning_rate: the peak; small models trained from scratch want 5e-4, pre-trained ones 2e-5 to 1e-4.
        batch_size: rows a step.
        weight_decay: of AdamW (Loshchilov & Hutter, 2019, arXiv 1711.05101), on matrices only.
        warmup: share of all steps in which the rate climbs to its peak.
        clip_norm: the gradients of a step are scaled down to this norm.
        patience: stop after this many epochs without a better validation macro-F1.
        max_length: longer texts are cut to this many tokens.
        seed: of row order and dropout; the same seed on the same machine gives the same weights.
        precision: "float32", "bfloat16", or "auto" for bfloat16 where the processor multiplies it natively.
    """

    epochs: int = attrs.field(default=5, validator=between(1, whole=True))
    learning_rate: float = attrs.field(default=1e-4, validator=between(0, 1, above=True))
    batch_size: int = attrs.field(default=16, validator=between(1, whole=True))
    weight_decay: float = attrs.field(default=0.01, validator=between(0, 1))
    warmup: float = attrs.field(default=0.1, validator=between(0, 1))
    clip_norm: float = attrs.field(default=1.0, validator=between(0, above=True))
    patience: int = attrs.field(default=3, validator=between(1, whole=True))
    max_length: int = attrs.field(default=128, validator=between(3, whole=True))
    seed: int = attrs.field(default=0, validator=between(0, 2**32 - 1, whole=True))
    precision: str = attrs.field(default="auto", validator=one_of("auto", "float32", "bfloat16"))

    def fit(self, model: GoalModel, splits: Splits, *, progress: bool = True) -> TrainingRun:
        """Train a copy of `model` on `splits.train`, choosing the epoch by `splits.validation`.

        Args:
            model: where to start from; it stays as it is.
            splits: `test` is not looked at.
            progress: show a progress bar.

        Raises:
            TrainingError: the rows are labelled for other tasks than the model's, lack a label altogether, or the loss
                stops being a number.
        """
        _check_fit(model, splits)
        unknown = model.tokenizer.unknown_share(splits.train.texts)
        if unknown > COVERAGE_FLOOR:
            logger.warning(
                "%.0f %% of the pieces in the training texts are unknown to the vocabulary; build one from the texts with "
                "from_backbone(..., vocabulary_from=texts), or goalkit train --own-vocabulary",
                100 * unknown,
            )
        student = model.copy()
        best, epochs = student.state_dict(), []
        steps = self.epochs * math.ceil(len(splits.train) / self.batch_size)
        bar = tqdm(total=steps, desc="training", unit="step", disable=not progress)
        with torch.random.fork_rng(devices=[]), bar:
            torch.manual_seed(self.seed)
            optimizer, schedule = self._optimizer(student, steps)
            for number in range(1, self.epochs + 1):
                start = time.perf_counter()
                loss = self._epoch(student, splits.train, number, optimizer, schedule, bar)
                scores = evaluate(student, splits.validation)
                epochs.append(Epoch(number, loss, scores, round(time.perf_counter() - start, 3)))
                leader = max(epochs, key=lambda each: each.validation_score)
                if leader.number == number:
                    best = {name: tensor.clone() for name, tensor in student.state_dict().items()}
                bar.set_postfix(loss=f"{loss:.3f}", f1=f"{epochs[-1].validation_score:.3f}")
                logger.info("epoch %d: loss %.4f, validation macro-F1 %.4f", number, loss, epochs[-1].validation_score)
                if number - leader.number >= self.patience:
                    break
        student.load_state_dict(best)
        return TrainingRun(student.eval(), self, tuple(epochs), leader.number, splits.train.digest())

    def _optimizer(self, model: nn.Module, steps: int) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LambdaLR]:
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        groups = [
            {"params": [each for each in trained if each.ndim > 1], "weight_decay": self.weight_decay},
            {"params": [each for each in trained if each.ndim <= 1], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=self.learning_rate, fused=True)
        warm = max(1, round(self.warmup * steps))

        def factor(step: int) -> float:
            return min((step + 1) / warm, max(0.0, (steps - step) / max(1, steps - warm)))

        return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, factor)

    def _epoch(
        self,
        model: GoalModel,
        rows: Dataset,
        number: int,
        optimizer: torch.optim.Optimizer,
        schedule: torch.optim.lr_scheduler.LambdaLR,
        bar: tqdm[Any],
    ) -> float:
        model.train()
        total = 0.0
        texts, labels = rows.texts, {task.name: torch.from_numpy(rows.label_ids(task.name)) for task in rows.tasks}
        length = min(self.max_length, model.encoder.max_length)
        precision = best_precision() if self.precision == "auto" else getattr(torch, self.precision)
        for places in epoch_batches(texts, self.batch_size, seed=self.seed, epoch=number):
            batch = model.tokenizer.encode([texts[place] for place in places], longest=length)
            ids, mask = torch.from_numpy(batch.input_ids), torch.from_numpy(batch.attention_mask)
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision is torch.bfloat16):
                logits = model(ids, mask, ids.shape[1])
            loss = sum(
                (functional.cross_entropy(logits[name].float(), column[places]) for name, column in labels.items()),
                start=torch.zeros(()),
            )
            _check_loss(loss, bar.n)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), self.clip_norm)
            optimizer.step()
            schedule.step()
            total += loss.item() * len(places)
            bar.update()
        return total / len(rows)


def _check_loss(loss: Tensor, step: int) -> None:
    if not torch.isfinite(loss):
        raise TrainingError(f"the loss is {loss.item()} at step {step}: lower learning_rate, or set precision='float32'")


def _check_fit(model: GoalModel, splits: Splits) -> None:
    if model.tasks != splits.train.tasks:
        of_model, of_rows = (
            [f"{task.name}{list(task.labels)}" for task in tasks] for tasks in (model.tasks, splits.train.tasks)
        )
        raise TrainingError(
            f"the model predicts {of_model}, the rows are labelled for {of_rows}: build the model with the dataset's tasks"
        )
    for name, counts in splits.train.label_counts().items():
        if missing := [label for label, count in counts.items() if not count]:
            raise TrainingError(
                f"no training row has the {name} {', '.join(missing)}: add such rows, or take the label out of the task"
            )
