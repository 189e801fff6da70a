"""How fast training is, beside Hugging Face's Trainer: the plain recipe, and the same Trainer tuned as well as it can be.

All train the same model from the same weights on news titles (see benchmarks/titles.py for the folder), wrapped for the
Trainer so that only what feeds and steps it differs.
"""

from __future__ import annotations

import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.titles import read_titles
from goalkit import Dataset, GoalModel, Splits, Trainer
from goalkit.training import evaluate
from goalkit.training.encoding import EncodedRows
from goalkit.training.recorder import Recorder

BATCHES = (16, 32, 64, 128)
WARM, SWEEP, STEPS, WINDOWS = 3, 6, 30, 3
BACKBONES = ("tiny-bert", "mobilebert", "bert-base-chinese")
LENGTH = 128
ROWS, EPOCHS, SEEDS = 12_000, 3, 3
RATE, WARMUP = 5e-4, 0.1

Timed = Callable[[GoalModel, Dataset, int, int], list[float]]
"""Trains on rows with a batch size and a seed, and says when each step ended."""


def measure(data: Path | None) -> dict[str, Any]:
    """Windows of steps for every backbone, whole runs for the tiny one, and what the machine's matrix products reach."""
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
    """A GoalModel as Hugging Face's Trainer wants one: with labels in, and the loss out."""

    def __init__(self, model: GoalModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> dict[str, Tensor]:
        logits = self.model(input_ids, attention_mask, input_ids.shape[1])["topic"]
        return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}


def _goalkit(model: GoalModel, rows: Dataset, batch: int, seed: int, *, epochs: int = 1) -> list[float]:
    stamps: list[float] = []
    trainer = Trainer(
        epochs=epochs, learning_rate=RATE, warmup=WARMUP, batch_size=batch, seed=seed, temperature=False, patience=epochs
    )
    few = rows.take(range(64))
    with mock.patch.object(Recorder, "stepped", side_effect=lambda *_: stamps.append(time.perf_counter())):
        run = trainer.fit(model, Splits(rows, few, few), progress=False)
    model.load_state_dict(run.model.state_dict())
    return stamps


def _peer(*, tuned: bool) -> Timed:
    def train(model: GoalModel, rows: Dataset, batch: int, seed: int, *, epochs: int = 1) -> list[float]:
        from transformers import BertTokenizerFast, DataCollatorWithPadding, Trainer, TrainerCallback, TrainingArguments

        stamps: list[float] = []

        class Stamp(TrainerCallback):
            def on_step_end(self, *_: Any, **__: Any) -> None:
                stamps.append(time.perf_counter())

        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            (Path(folder) / "vocab.txt").write_bytes(model.tokenizer.file_bytes())
            tokenizer = BertTokenizerFast(str(Path(folder) / "vocab.txt"))
            encoded = tokenizer(rows.texts, truncation=True, max_length=LENGTH, return_token_type_ids=False)
            labels = rows.label_ids("topic").tolist()
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
            wrapped = _Wrapped(model)
            Trainer(wrapped, arguments, data_collator=collator, train_dataset=entries, callbacks=[Stamp()]).train()
        return stamps

    return train  # type: ignore[return-value]


WAYS: dict[str, tuple[Timed, Sequence[int]]] = {
    "goalkit": (_goalkit, BATCHES),
    "tuned Trainer": (_peer(tuned=True), BATCHES),
    "recipe": (_peer(tuned=False), (16,)),
}


def _windows(backbone: str, titles: Dataset) -> dict[str, Any]:
    """For each way the batch size that is fastest, and samples a second in windows that take turns."""
    model = GoalModel.from_backbone(backbone, tasks=titles.tasks)
    swept: dict[str, dict[int, float]] = {}
    for name, (way, batches) in WAYS.items():
        swept[name] = {batch: _speed(way, model, titles, batch, SWEEP, 0) for batch in batches} if len(batches) > 1 else {}
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
        "gflop_per_sample": 6 * matrices * length / 1e9,
        "tokens_per_sample": length,
        "swept": swept,
        "batch": chosen,
        "samples_per_second": speeds,
    }


def _smallest_fast(speeds: dict[int, float]) -> int:
    """The smallest batch size within 3 % of the fastest: larger ones only make fewer steps of the same work."""
    return min(batch for batch, speed in speeds.items() if speed >= 0.97 * max(speeds.values()))


def _speed(way: Timed, model: GoalModel, titles: Dataset, batch: int, steps: int, seed: int) -> float:
    """Samples a second over `steps`, after some to warm up."""
    places = np.random.default_rng(seed).choice(len(titles), (WARM + steps) * batch, replace=False)
    stamps = way(model.copy(), titles.take(places.tolist()), batch, seed)
    return steps * batch / (stamps[-1] - stamps[WARM - 1])


def _whole(splits: Splits) -> dict[str, Any]:
    """Whole trainings of the tiny model, in turns: seconds between the first step and the last, and test accuracy."""
    rows = splits.train.take(range(ROWS))
    model = GoalModel.from_backbone("tiny-bert", tasks=rows.tasks)
    found: dict[str, list[dict[str, float]]] = {"goalkit": [], "tuned Trainer": []}
    for seed in range(SEEDS):
        for name in found:
            trained = model.copy()
            stamps = WAYS[name][0](trained, rows, 64, seed, epochs=EPOCHS)  # type: ignore[call-arg]
            speed = (len(stamps) - 1) * ROWS * EPOCHS / len(stamps) / (stamps[-1] - stamps[0])
            found[name].append({"samples_per_second": speed, "accuracy": evaluate(trained.eval(), splits.test)[0].accuracy})
            print(f"whole: {name} {found[name][-1]}", flush=True)
    return found


def _tokenising(titles: Dataset) -> float:
    """Texts a second."""
    tokenizer = GoalModel.from_backbone("tiny-bert", tasks=titles.tasks).tokenizer
    tokenizer.pieces(titles.texts[0])
    start = time.perf_counter()
    EncodedRows.of(titles, tokenizer, LENGTH)
    return len(titles) / (time.perf_counter() - start)


def _gemm(dtype: torch.dtype, size: int = 4096) -> float:
    """GFLOP/s of a large matrix product, the best of five."""
    one, other = torch.randn(size, size, dtype=dtype), torch.randn(size, size, dtype=dtype)
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        one @ other
        seconds.append(time.perf_counter() - start)
    return 2 * size**3 / min(seconds) / 1e9


def page(found: dict[str, Any], where: str) -> str:
    """The section of docs/benchmarks.md."""
    settings = found["settings"]
    lines = [
        "| model | way | batch | samples/s, median | of the recipe | of the tuned Trainer | of the matrix product peak |",
        "|---|---|---|---|---|---|---|",
    ]
    for backbone, each in found["windows"].items():
        medians = {name: statistics.median(speeds) for name, speeds in each["samples_per_second"].items()}
        for name, speed in medians.items():
            kind = "float32" if name == "recipe" else "bfloat16"
            share = speed * each["gflop_per_sample"] / found["gemm_gflops"][kind]
            lines.append(
                f"| {backbone}, {each['parameters'] / 1e6:.1f} M | {name} | {each['batch'][name]} | {speed:.1f} | "
                f"{speed / medians['recipe']:.1f}x | {speed / medians['tuned Trainer']:.2f}x | {share:.0%} |"
            )
    whole = [
        f"| {name} | {statistics.median(run['samples_per_second'] for run in runs):.0f} | "
        + " / ".join(f"{run['accuracy']:.2%}" for run in runs)
        + " |"
        for name, runs in found["whole"].items()
    ]
    return "\n".join(
        [
            "## Training speed",
            "",
            f"News titles, {found['windows']['tiny-bert']['tokens_per_sample']:.0f} tokens in the mean; full-size models. The "
            "recipe is Hugging Face's Trainer as tutorials have it: padded to 128 tokens, float32, batches of 16, AdamW. "
            "The tuned one has bfloat16, fused AdamW, dynamic padding and batches grouped by length. It and goalkit may each "
            f"choose a batch size of {', '.join(map(str, settings['batches']))}. {settings['windows']} windows of "
            f"{settings['steps']} steps, in turns. The last column counts the products of real tokens with weight matrices, "
            "forward and backward, against what one large product reaches here "
            f"({found['gemm_gflops']['float32']:.0f} GFLOP/s in float32, {found['gemm_gflops']['bfloat16']:.0f} in bfloat16).",
            "",
            *lines,
            "",
            f"Whole trainings of tiny-bert on {settings['rows']:,} titles, {settings['epochs']} epochs, batches of 64; an "
            "accuracy a seed:",
            "",
            "| way | samples/s, median | test accuracy |",
            "|---|---|---|",
            *whole,
            "",
            f"Tokenising, once before the first epoch: {found['tokenising']:,.0f} titles a second.",
            "",
            where,
            "",
        ]
    )
