"""What techniques of compression save, and what they cost: models fitted to the goals, and the packages made of them.

The models are tiny-bert from the shipped weights, and the 12-layer encoder of pretraining/e5.py with goalkit's vocabulary.
Techniques learn from the training part and from everyday texts of pretraining/texts.py, and choose on the validation part.
Accuracy and agreement are those of the executed package on the test part.
"""

from __future__ import annotations

import hashlib
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import torch
from torch import nn

from benchmarks.kept import KEPT, kept
from goalkit import Bundle, Compressor, CoreMLExporter, Dataset, GoalModel, Splits, Trainer
from goalkit.cli.demo import EPOCHS, LEARNING_RATE
from goalkit.compress import (
    ActivationQuantisation,
    Distillation,
    MixedPrecision,
    Palettisation,
    Pruning,
    Quantisation,
    SparseStorage,
    StructuredPruning,
    Technique,
    VocabularyTrimming,
)
from goalkit.export.checks import program_inputs
from goalkit.weights import restore_floats
from pretraining.e5 import pretrained_model
from pretraining.texts import training_texts

LENGTH, RUNS = 48, 20
TEXTS = 20_000
"""Everyday texts without labels."""
TINY, LARGE = "tiny-bert, 4 layers of 384", "12 layers of 384"
TRAINERS = {
    TINY: Trainer(epochs=EPOCHS, learning_rate=LEARNING_RATE),
    LARGE: Trainer(epochs=4, learning_rate=1e-4, max_length=64),
}

INT4 = Quantisation(bits=4, block_size=32)
PRUNED = Pruning(amount=0.5)
RECIPES: Mapping[str, Sequence[Technique]] = {
    "half precision": (),
    "INT8": (Quantisation(),),
    "INT8, trained": (Quantisation(epochs=2),),
    "W8A8": (ActivationQuantisation(), Quantisation()),
    "6-bit palettes": (Palettisation(bits=6),),
    "4-bit palettes": (Palettisation(bits=4),),
    "4-bit palettes, input-aware": (Palettisation(bits=4, input_aware=True),),
    "4-bit palettes, input-aware, trained": (Palettisation(bits=4, input_aware=True, epochs=2),),
    "INT4 in blocks of 32": (INT4,),
    "INT4 in blocks of 32, input-aware": (attrs.evolve(INT4, input_aware=True),),
    "INT4 in blocks of 32, input-aware, trained": (attrs.evolve(INT4, input_aware=True, epochs=2),),
    "3-bit palettes, input-aware, trained": (Palettisation(bits=3, input_aware=True, epochs=2),),
    "2-bit palettes, input-aware, trained": (Palettisation(bits=2, input_aware=True, epochs=2),),
    "50 % pruned, half precision": (PRUNED, SparseStorage()),
    "50 % pruned, INT8": (PRUNED, Quantisation(sparse=True)),
    "50 % pruned, 4-bit palettes, trained": (PRUNED, Palettisation(bits=4, sparse=True, epochs=2)),
    "vocabulary trimmed, INT8": (VocabularyTrimming(coverage=0.999), Quantisation()),
    "a quarter of the heads and half of the columns left out, INT8": (StructuredPruning(), Quantisation()),
}
OWN_RECIPES: Mapping[str, Mapping[str, Sequence[Technique]]] = {
    TINY: {
        "mixed palettes of 3.9 MB, input-aware, trained": (MixedPrecision(size_mb=3.9, input_aware=True, epochs=2),),
        "2 layers, distilled, INT8": (Distillation(layers=(0, 3)), Quantisation()),
    },
    LARGE: {"4 layers, distilled, INT8": (Distillation(layers=(0, 3, 7, 11)), Quantisation())},
}


def measure(data: Path | None) -> dict[str, Any]:
    """Compress, export and execute every model by every recipe."""
    assert data is not None
    splits, texts = Dataset.goals().clean().split(seed=0), training_texts(data)[:TEXTS]
    found: dict[str, Any] = {}
    for name, start in {TINY: _tiny, LARGE: _large}.items():
        model = _fitted(start(splits), TRAINERS[name], splits)
        found[name] = {
            recipe: kept("compression", _file(model, recipe, techniques), partial(_packaged, model, techniques, splits, texts))
            for recipe, techniques in {**RECIPES, **OWN_RECIPES[name]}.items()
        }
    return {"texts": len(splits.test), "models": found}


def _tiny(splits: Splits) -> GoalModel:
    return GoalModel.from_backbone("tiny-bert", tasks=splits.train.tasks)


def _large(splits: Splits) -> GoalModel:
    with tempfile.TemporaryDirectory() as folder:
        return pretrained_model(Path(folder), splits.train.tasks)


def _fitted(model: GoalModel, trainer: Trainer, splits: Splits) -> GoalModel:
    folder = KEPT / "compression" / f"{model.digest()[:12]}-{splits.train.digest()[:12]}"
    if not folder.exists():
        trainer.fit(model, splits, folder=folder.with_suffix(".run"), resume=True).model.save(folder)
    return GoalModel.load(folder)


def _file(model: GoalModel, recipe: str, techniques: Sequence[Technique]) -> str:
    settings = hashlib.sha256(repr(techniques).encode()).hexdigest()
    return f"{model.digest()[:12]}-{settings[:8]}-{recipe.replace(' ', '-')}"


def _packaged(model: GoalModel, techniques: Sequence[Technique], splits: Splits, texts: Sequence[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        small = model
        if techniques:
            compressor = Compressor(techniques)
            small = compressor.compress(model, splits, texts=texts, folder=Path(folder) / "work", progress=False).model
        seconds = time.perf_counter() - start
        target = max((each.oldest_target for each in techniques), default="iOS16")
        exporter = CoreMLExporter(sequence_length=LENGTH, deployment_target=target)
        bundle = exporter.export(small, Path(folder) / "bundle")
        report = bundle.verify(splits.test.texts, splits.test.labels, reference=model)
        outputs = {f"{task.name}_probabilities": task.name for task in model.tasks}
        return {
            "seconds": seconds,
            "target": target,
            "bytes": report.package_bytes,
            "verified": report.passed,
            "accuracy": {task: each["bundle"] for task, each in report.accuracy.items()},
            "agreement": {outputs[each.output]: each.agreement for each in report.fidelity if each.output in outputs},
            "milliseconds": _milliseconds(bundle, small),
        }


def _milliseconds(bundle: Bundle, model: GoalModel) -> dict[str, float]:
    """Return the median times for one text: of the executed package, and of torch, in FP32 and with dynamic INT8."""
    text = model.tokenizer.encode(["每天跑步5公里"], LENGTH)
    program = bundle.programs[LENGTH]
    inputs = program_inputs(program, text)
    ids, mask = torch.from_numpy(text.input_ids), torch.from_numpy(text.attention_mask)
    plain = model.copy()
    restore_floats(plain)
    ways: dict[str, Callable[[], Any]] = {"runtime": lambda: program.predict_many(inputs)}
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


def _dynamic(model: GoalModel) -> nn.Module:
    """Return torch's own INT8 form of a model: weights rounded once, activations whenever they are computed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch announces torchao as the successor
        quantised: nn.Module = torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8)
    return quantised


def page(found: dict[str, Any], where: str) -> str:
    """Return the section of docs/benchmarks.md."""
    sections = []
    for model, recipes in found["models"].items():
        tasks = list(next(iter(recipes.values()))["accuracy"])
        whole = recipes["half precision"]
        lines = [
            f"| {model} | minimum | package, MB | accuracy: {', '.join(tasks)} | mean, points | same label | runtime, ms | "
            "torch, ms | torch INT8, ms |",
            "|---|---|---|---|---|---|---|---|---|",
        ]
        for recipe, each in recipes.items():
            accuracy = " / ".join(f"{each['accuracy'][task]:.1%}" for task in tasks)
            size, lost = (
                each["bytes"] / 1e6,
                100 * (np.mean(list(each["accuracy"].values())) - np.mean(list(whole["accuracy"].values()))),
            )
            agreement = " / ".join(f"{each['agreement'][task]:.1%}" for task in tasks)
            times = " | ".join(f"{each['milliseconds'][way]:.1f}" for way in ("runtime", "torch", "torch INT8"))
            lines.append(f"| {recipe} | {each['target']} | {size:.2f} | {accuracy} | {lost:+.1f} | {agreement} | {times} |")
        sections += [*lines, ""]
    return "\n".join(
        [
            "## Compression",
            "",
            f"Models fitted to the shipped goals (written by a language model), exported for {LENGTH} tokens, executed on "
            f'{found["texts"]:,} test goals; one seed. "Points" compares with half precision, "same label" with the '
            "uncompressed model in FP32. Milliseconds are for one text on this machine, not on a phone; the runtime computes "
            "in FP32 whatever the form of the weights. Trained means fine-tuned with rounded weights; pruning and distillation "
            "fine-tune, too.",
            "",
            *sections,
            where,
            "",
        ]
    )
