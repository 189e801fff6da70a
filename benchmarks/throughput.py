"""Speed of training, compared with Hugging Face's Trainer: the plain recipe, and the same Trainer with tuned settings.

All train the same model from the same weights on news titles (see benchmarks/titles.py for the folder). It is wrapped for the
Trainer, so that only the data loading and the training loop differ.
"""

from __future__ import annotations

import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.titles import read_titles
from goalkit import Dataset, GoalModel, Splits, Trainer
from goalkit.evaluation import evaluate
from goalkit.training.encoding import EncodedRows

BATCHES = (16, 32, 64, 128)
WARM, SWEPT_ROWS, STEPS, WINDOWS = 2, 512, 30, 3
BACKBONES = ("tiny-bert", "mobilebert", "bert-base-chinese")
LENGTH = 128
ROWS, EPOCHS, SEEDS = 12_000, 3, 3
RATE, WARMUP = 5e-4, 0.1

Way = Callable[[GoalModel, Dataset, int, int, int], GoalModel]
"""Trains a copy of a model on rows, with a batch size and a seed, for some epochs."""


def measure(data: Path | None) -> dict[str, Any]:
    """Measure windows of steps for every backbone, whole runs for tiny-bert, and the peak speed of matrix products."""
    assert data is not None
    splits = read_titles(data / "thucnews_titles")
    peak = {name: _gemm(dtype) for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16))}
    return {
        "gemm_gflops": peak,
        "tokenising": _tokenising(splits.train),
        "windows": {name: _windows(name, splits.train) for name in BACKBONES},
        "whole": _whole(splits),
        "settings": {"batches": BATCHES, "steps": STEPS, "windows": WINDOWS, "rows": ROWS, "epochs": EPOCHS, "seeds": SEEDS},
    }


class _Wrapped(nn.Module):
    """A GoalModel with the interface that Hugging Face's Trainer expects: takes labels and returns the loss."""

    def __init__(self, model: GoalModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> dict[str, Tensor]:
        logits = self.model(input_ids, attention_mask, input_ids.shape[1])["topic"]
        return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}


@contextmanager
def _recorded_steps() -> Iterator[list[tuple[float, int]]]:
    """Yield a list to which every forward pass in training mode adds its start time and its number of tokens."""
    recorded: list[tuple[float, int]] = []
    forward = GoalModel.forward

    def record(model: GoalModel, input_ids: Tensor, attention_mask: Tensor, length: int) -> dict[str, Tensor]:
        if model.training:
            recorded.append((time.perf_counter(), int(attention_mask.sum())))
        return forward(model, input_ids, attention_mask, length)

    with mock.patch.object(GoalModel, "forward", record):
        yield recorded


def _goalkit(model: GoalModel, rows: Dataset, batch: int, seed: int, epochs: int = 1) -> GoalModel:
    trainer = Trainer(
        epochs=epochs, learning_rate=RATE, warmup=WARMUP, batch_size=batch, seed=seed, calibrate=False, patience=epochs
    )
    few = rows.take(range(64))
    return trainer.fit(model, Splits(rows, few, few), progress=False).model


def _peer(*, tuned: bool) -> Way:
    def train(model: GoalModel, rows: Dataset, batch: int, seed: int, epochs: int = 1) -> GoalModel:
        from transformers import BertTokenizerFast, DataCollatorWithPadding, Trainer, TrainingArguments

        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            (Path(folder) / "vocab.txt").write_bytes(model.tokenizer.file_bytes())
            tokenizer = BertTokenizerFast(str(Path(folder) / "vocab.txt"))
            encoded = tokenizer(rows.texts, truncation=True, max_length=LENGTH, return_token_type_ids=False)
            (task,) = model.tasks
            labels = rows.label_ids(task).tolist()
            entries = [
                {"input_ids": ids, "attention_mask": mask, "labels": label}
                for ids, mask, label in zip(encoded["input_ids"], encoded["attention_mask"], labels, strict=True)
            ]
            arguments = TrainingArguments(
                folder,
                num_train_epochs=epochs,
                per_device_train_batch_size=batch,
                learning_rate=RATE,
                weight_decay=0.01,
                warmup_steps=WARMUP,
                seed=seed,
                bf16=tuned,
                optim="adamw_torch_fused" if tuned else "adamw_torch",
                train_sampling_strategy="group_by_length" if tuned else "random",
                use_cpu=True,
                report_to="none",
                save_strategy="no",
                logging_strategy="no",
                disable_tqdm=True,
                remove_unused_columns=False,
                dataloader_pin_memory=False,
            )
            collator = DataCollatorWithPadding(tokenizer, padding="longest" if tuned else "max_length", max_length=LENGTH)
            trained = model.copy()
            Trainer(_Wrapped(trained), arguments, data_collator=collator, train_dataset=entries).train()
        return trained.eval()

    return train


WAYS: dict[str, tuple[Way, Sequence[int]]] = {
    "goalkit": (_goalkit, BATCHES),
    "tuned Trainer": (_peer(tuned=True), BATCHES),
    "recipe": (_peer(tuned=False), (16,)),
}


def _windows(backbone: str, titles: Dataset) -> dict[str, Any]:
    """Choose the fastest batch size for each method, then measure tokens per second in alternating windows."""
    model = GoalModel.from_backbone(backbone, tasks=titles.tasks, weights="random")
    swept: dict[str, dict[int, float]] = {}
    for name, (way, batches) in WAYS.items():
        swept[name] = (
            {batch: _speed(way, model, titles, batch, SWEPT_ROWS // batch, 0) for batch in batches} if len(batches) > 1 else {}
        )
        print(f"{backbone}: {name} {swept[name]}", flush=True)
    chosen = {name: _smallest_fast(swept[name]) if swept[name] else 16 for name in WAYS}
    speeds: dict[str, list[float]] = {name: [] for name in WAYS}
    for window in range(WINDOWS):
        for name, (way, _) in WAYS.items():
            speeds[name].append(_speed(way, model, titles, chosen[name], STEPS, window + 1))
        print(f"{backbone}: {speeds}", flush=True)
    length = float(EncodedRows.of(titles, model.tokenizer, LENGTH).lengths.mean())
    matrices = sum(module.weight.numel() for module in model.encoder.modules() if isinstance(module, nn.Linear))
    return {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "gflop_per_token": 6 * matrices / 1e9,
        "tokens_per_sample": length,
        "swept": swept,
        "batch": chosen,
        "tokens_per_second": speeds,
    }


def _smallest_fast(speeds: dict[int, float]) -> int:
    """Return the smallest batch size within 3 % of the fastest; larger ones only make fewer steps of the same work."""
    return min(batch for batch, speed in speeds.items() if speed >= 0.97 * max(speeds.values()))


def _speed(way: Way, model: GoalModel, titles: Dataset, batch: int, steps: int, seed: int) -> float:
    """Return tokens per second over `steps`, after some to warm up."""
    places = np.random.default_rng(seed).choice(len(titles), (WARM + steps + 1) * batch, replace=False)
    with _recorded_steps() as recorded:
        way(model, titles.take(places.tolist()), batch, seed, 1)
    return _tokens_per_second(recorded[WARM:])


def _tokens_per_second(recorded: Sequence[tuple[float, int]]) -> float:
    """Return the speed from the start of the first step to that of the last, in tokens: a Trainer takes long samples first."""
    return sum(tokens for _, tokens in recorded[:-1]) / (recorded[-1][0] - recorded[0][0])


def _whole(splits: Splits) -> dict[str, Any]:
    """Measure whole training runs of tiny-bert, in turns: tokens per second and test accuracy."""
    rows = splits.train.take(range(ROWS))
    model = GoalModel.from_backbone("tiny-bert", tasks=rows.tasks, weights="random")
    found: dict[str, list[dict[str, float]]] = {"goalkit": [], "tuned Trainer": []}
    for seed in range(SEEDS):
        for name in found:
            with _recorded_steps() as recorded:
                trained = WAYS[name][0](model, rows, 64, seed, EPOCHS)
            accuracy = evaluate(trained, splits.test)[0].accuracy
            found[name].append({"tokens_per_second": _tokens_per_second(recorded), "accuracy": accuracy})
            print(f"whole: {name} {found[name][-1]}", flush=True)
    return found


def _tokenising(titles: Dataset) -> float:
    """Return texts per second."""
    tokenizer = GoalModel.from_backbone("tiny-bert", tasks=titles.tasks).tokenizer
    tokenizer.pieces(titles.texts[0])
    start = time.perf_counter()
    EncodedRows.of(titles, tokenizer, LENGTH)
    return len(titles) / (time.perf_counter() - start)


def _gemm(dtype: torch.dtype, size: int = 4096) -> float:
    """Return GFLOP/s of a large matrix product, the best of five."""
    one, other = torch.randn(size, size, dtype=dtype), torch.randn(size, size, dtype=dtype)
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        one @ other
        seconds.append(time.perf_counter() - start)
    return 2 * size**3 / min(seconds) / 1e9


def page(found: dict[str, Any], where: str) -> str:
    """Return the section of docs/benchmarks.md."""
    settings = found["settings"]
    lines = [
        "| model | method | batch | samples/s, median | speed relative to recipe | relative to tuned Trainer | share of peak |",
        "|---|---|---|---|---|---|---|",
    ]
    for backbone, each in found["windows"].items():
        medians = {name: statistics.median(speeds) for name, speeds in each["tokens_per_second"].items()}
        for name, speed in medians.items():
            kind = "float32" if name == "recipe" else "bfloat16"
            samples = speed / each["tokens_per_sample"]
            share = speed * each["gflop_per_token"] / found["gemm_gflops"][kind]
            lines.append(
                f"| {backbone}, {each['parameters'] / 1e6:.1f} M | {name} | {each['batch'][name]} | {samples:.1f} | "
                f"{speed / medians['recipe']:.1f}x | {speed / medians['tuned Trainer']:.2f}x | {share:.0%} |"
            )
    length = found["windows"]["tiny-bert"]["tokens_per_sample"]
    whole = [
        f"| {name} | {statistics.median(run['tokens_per_second'] for run in runs) / length:.0f} | "
        + " / ".join(f"{run['accuracy']:.2%}" for run in runs)
        + " |"
        for name, runs in found["whole"].items()
    ]
    return "\n".join(
        [
            "## Training speed",
            "",
            f"News titles with {length:.0f} tokens on average; full-size models. The "
            "recipe is Hugging Face's Trainer as in tutorials: padding to 128 tokens, float32, batches of 16, AdamW. "
            "The tuned Trainer uses bfloat16, fused AdamW, dynamic padding and batches grouped by length. It and "
            f"goalkit each use the best of the batch sizes {', '.join(map(str, settings['batches']))}. {settings['windows']} "
            f"windows of {settings['steps']} steps, in turns; samples per second are computed from tokens per second, as "
            "the tuned Trainer takes the longest titles first. The last column is the speed of the products of real tokens "
            "with weight matrices, forward and backward, relative to one large matrix product here "
            f"({found['gemm_gflops']['float32']:.0f} GFLOP/s in float32, {found['gemm_gflops']['bfloat16']:.0f} in bfloat16).",
            "",
            *lines,
            "",
            f"Whole training runs of tiny-bert on {settings['rows']:,} titles, {settings['epochs']} epochs, batches of 64; one "
            "accuracy per seed:",
            "",
            "| method | samples/s, median | test accuracy |",
            "|---|---|---|",
            *whole,
            "",
            f"Tokenising, once before the first epoch: {found['tokenising']:,.0f} titles per second.",
            "",
            where,
            "",
        ]
    )
