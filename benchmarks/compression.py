"""What techniques of compression save, and what they cost: models fitted to the goals, and the packages saved from them.

Models: tiny-bert from the shipped weights, and the 12-layer encoder of pretraining/e5.py with goalkit's vocabulary. Techniques
learn from the training part, choose on the validation part, and see everyday texts of pretraining/texts.py; accuracy and
agreement are those of the executed package on the test part.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import torch

from benchmarks.kept import KEPT, kept
from goalkit import Compressor, CoreMLExporter, Dataset, GoalModel, Splits, Trainer
from goalkit.cli.demo import EPOCHS, LEARNING_RATE
from goalkit.compress import Distillation, Palettisation, Pruning, Quantisation, SparseStorage, Technique, VocabularyTrimming
from goalkit.export import load_model
from goalkit.export.checks import program_inputs
from goalkit.tokenization import TokenBatch
from goalkit.weights import stored_weights
from pretraining.e5 import pretrained_model
from pretraining.texts import training_texts

LENGTH, RUNS, SEEDS = 48, 20, 5
TEXTS = 20_000
"""Everyday texts that distillation learns from."""
TINY, LARGE = "tiny-bert, 4 layers of 384", "12 layers of 384"
TRAINERS = {
    TINY: Trainer(epochs=EPOCHS, learning_rate=LEARNING_RATE),
    LARGE: Trainer(epochs=4, learning_rate=1e-4, max_length=64),
}

PRUNED = Pruning(amount=0.5)
RECIPES: dict[str, Sequence[Technique]] = {
    "half precision": (),
    "INT8": (Quantisation(),),
    "INT8, trained so": (Quantisation(epochs=2),),
    "INT4 in blocks of 32": (Quantisation(bits=4, block_size=32),),
    "INT4 in blocks of 32, trained so": (Quantisation(bits=4, block_size=32, epochs=2),),
    "8-bit palettes": (Palettisation(bits=8),),
    "6-bit palettes": (Palettisation(bits=6),),
    "4-bit palettes": (Palettisation(bits=4),),
    "4-bit palettes, per 16 rows": (Palettisation(bits=4, group_size=16),),
    "3-bit palettes": (Palettisation(bits=3),),
    "2-bit palettes": (Palettisation(bits=2),),
    "50 % pruned, half precision": (PRUNED, SparseStorage()),
    "50 % pruned, INT8": (PRUNED, Quantisation(sparse=True)),
    "50 % pruned, 4-bit palettes": (PRUNED, Palettisation(bits=4, sparse=True)),
}
FEWER_LAYERS = {TINY: (0, 3), LARGE: (0, 3, 7, 11)}


def measure(data: Path | None) -> dict[str, Any]:
    """Compress, export and execute every model by every recipe."""
    assert data is not None
    splits = Dataset.goals().clean().split(seed=0)
    texts = training_texts(data)[:TEXTS]
    found: dict[str, Any] = {"texts": len(splits.test), "models": {}}
    for name, fit in {TINY: _tiny, LARGE: _large}.items():
        model = _fitted(name, fit, splits)
        layers = FEWER_LAYERS[name]
        recipes = {**RECIPES, f"{len(layers)} layers, distilled, INT8": (Distillation(layers=layers), Quantisation())}
        found["models"][name] = {
            recipe: kept("compression", _file(model, recipe), partial(_package, model, techniques, splits, texts))
            for recipe, techniques in recipes.items()
        }
    return found


def _tiny(splits: Splits) -> GoalModel:
    return GoalModel.from_backbone("tiny-bert", tasks=splits.train.tasks)


def _large(splits: Splits) -> GoalModel:
    with tempfile.TemporaryDirectory() as folder:
        return pretrained_model(Path(folder), splits.train.tasks)


def _fitted(name: str, start: Callable[[Splits], GoalModel], splits: Splits) -> GoalModel:
    model = start(splits)
    folder = KEPT / "compression" / f"{model.digest()[:12]}-{splits.train.digest()[:12]}"
    if not (folder / "config.json").exists():
        TRAINERS[name].fit(model, splits, folder=folder.with_suffix(".run"), resume=True).save(folder)
    return GoalModel.load(folder)


def _file(model: GoalModel, recipe: str) -> str:
    return f"{model.digest()[:12]}-{recipe.replace(' ', '-').replace('%', 'percent')}"


def _package(model: GoalModel, techniques: Sequence[Technique], splits: Splits, texts: Sequence[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        small = model
        if techniques:
            small = Compressor(techniques).compress(model, splits, texts=texts, folder=Path(folder) / "work").model
        seconds = time.perf_counter() - start
        target = max((storage.form.oldest_target for _, _, storage in stored_weights(small)), default=TARGETS[0])
        exporter = CoreMLExporter(sequence_length=LENGTH, deployment_target=target)
        bundle = exporter.export(small, Path(folder) / "bundle")
        report = bundle.verify(splits.test.texts, splits.test.labels, reference=model)
        return {
            "seconds": seconds,
            "target": target,
            "package_bytes": report.package_bytes,
            "parity_passed": report.passed,
            "accuracy": {task: each["bundle"] for task, each in report.accuracy.items()},
            "agreement": {each.output: each.agreement for each in report.fidelity},
            "milliseconds": _milliseconds(bundle, small),
        }


def _milliseconds(bundle: Bundle, model: GoalModel) -> dict[str, float]:
    """Return the median time for one text: of the executed package, and of torch, as it is and with dynamic INT8."""
    text = model.tokenizer.encode(["每天跑步5公里"], LENGTH)
    program = load_model(bundle.package)
    inputs = program_inputs(program, text)
    ids, mask = torch.from_numpy(text.input_ids), torch.from_numpy(text.attention_mask)
    ways: dict[str, Callable[[], Any]] = {"runtime": lambda: program.predict_many(inputs)}
    plain = _uncompressed(model)
    for name, each in {"torch": plain, "torch INT8": _dynamic(plain)}.items():
        ways[name] = partial(each, ids, mask, LENGTH)
    taken: dict[str, list[float]] = {name: [] for name in ways}
    with torch.inference_mode():
        for _ in range(RUNS):
            for name, way in ways.items():
                start = time.perf_counter()
                way()
                taken[name].append(time.perf_counter() - start)
    return {name: 1000 * statistics.median(each) for name, each in taken.items()}
