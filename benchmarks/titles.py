"""All steps from training to verification on real text: news titles in ten classes, compared with n-grams and a linear SVM.

The folder `thucnews_titles` holds titles of the THUCNews corpus (THUCTC, Tsinghua University) as the repository
649453932/Chinese-Text-Classification-Pytorch splits them: `train.txt`, `dev.txt` and `test.txt` with lines
`title<TAB>class number`, and `class.txt` with one class name per line.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.calibration import calibration_errors
from goalkit import CoreMLExporter, Dataset, GoalModel, Splits, Task, Trainer, UpdatableHeadBuilder
from goalkit.compress import Compressor
from goalkit.evaluation import calibrate, evaluate, ngram_baseline

TRAINER = Trainer(epochs=4, learning_rate=5e-4, batch_size=64, calibrate=False)
LENGTH = 48
GOLDEN = 500
"""Titles of the validation part, on which half precision is checked."""


def measure(data: Path | None) -> dict[str, Any]:
    """Train, compress, export in two precisions, and verify on all test titles."""
    assert data is not None
    splits = read_titles(data / "thucnews_titles")
    baseline = ngram_baseline(splits)[0].accuracy
    model = GoalModel.from_backbone("tiny-bert", tasks=splits.train.tasks, weights="random")
    start = time.perf_counter()
    run = TRAINER.fit(model, splits)
    seconds = time.perf_counter() - start
    trained = calibrate(run.model, splits.validation).model
    int8, palette6, palette4 = (
        Compressor.from_recipe(recipe).compress(trained).model for recipe in ("int8", "palette6", "palette4")
    )
    texts, labels = splits.test.texts, splits.test.labels
    results: dict[str, Any] = {
        "rows": [len(splits.train), len(splits.validation), len(splits.test)],
        "n-grams": baseline,
        "float32": evaluate(trained, splits.test)[0].accuracy,
        "trainer": repr(TRAINER),
        "calibration": calibration_errors(run.model, splits),
        "training_seconds": round(seconds),
    }
    exports = {
        "FP32": ("float32", trained),
        "FP16": ("float16", trained),
        "FP16, INT8 weights": ("float16", int8),
        "FP16, 6-bit palettes": ("float16", palette6),
        "FP16, 4-bit palettes": ("float16", palette4),
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, (precision, exported) in exports.items():
            head = UpdatableHeadBuilder(task="topic").build(exported)
            exporter = CoreMLExporter(sequence_length=LENGTH, precision=precision)
            bundle = exporter.export(exported, Path(folder) / "bundle", heads=[head], golden=splits.validation.texts[:GOLDEN])
            start = time.perf_counter()
            report = bundle.verify(texts, labels, reference=trained)
            results.setdefault("bundles", {})[name] = {**report.to_dict(), "verify_seconds": round(time.perf_counter() - start)}
    return results


def read_titles(folder: Path) -> Splits:
    """Read the titles, split as in the folder."""
    if not folder.is_dir():
        sys.exit(f"there is no folder {folder}: name the folder that contains it with --data")
    names = (folder / "class.txt").read_text(encoding="utf-8").split()
    task = Task("topic", names)
    sides = {}
    for side, file in (("train", "train.txt"), ("validation", "dev.txt"), ("test", "test.txt")):
        lines = [line.rsplit("\t", 1) for line in (folder / file).read_text(encoding="utf-8").splitlines() if line.strip()]
        labels = {"topic": [names[int(number)] for _, number in lines]}
        sides[side] = Dataset.from_columns([text for text, _ in lines], labels, tasks=[task])
    return Splits(**sides)
