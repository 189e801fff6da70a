"""Few labels: a pre-trained encoder, frozen, contrastively tuned or fine-tuned, compared with TF-IDF and a linear SVM.

The folder `smp2020` holds utterances to an assistant, of the SMP2020 evaluation (ECDT task 1), as `2020_train.json`,
`2020_dev.json` and `2020_test.json`: lists of `{"text": …, "intent": …}`. The encoder is that of pretraining/e5.py.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from goalkit import Dataset, GoalModel, Splits, Task, Trainer
from goalkit.evaluation import evaluate, ngram_baseline
from goalkit.training import FewLabelsTrainer
from pretraining.e5 import pretrained_model

TASK = "intent"
SHOTS, SEEDS, CHOOSING_SEED = (8, 64), 5, 99
EPOCHS = {8: 20, 64: 10}
"""Epochs of plain fine-tuning. Its best epoch is chosen on the whole development part, which is an advantage for it."""

SETTINGS: Mapping[str, tuple[dict[str, Any], ...]] = {
    "few labels, frozen": ({},),
    "few labels, contrastive": (
        {"steps": 60, "learning_rate": 1e-4},
        {"steps": 60, "learning_rate": 3e-4},
        {"steps": 150, "learning_rate": 1e-4},
    ),
    "plain fine-tuning": ({"learning_rate": 5e-5}, {"learning_rate": 1e-4}, {"learning_rate": 3e-4}),
}


def measure(data: Path | None) -> dict[str, Any]:
    """For each number of labels, choose settings on the development part, then score five draws on the test part."""
    assert data is not None
    splits = read_intents(data / "smp2020")
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        model = pretrained_model(Path(folder), splits.train.tasks)
        for shots in SHOTS:
            chosen = {name: _choose(name, model, splits, shots) for name in SETTINGS}
            scores: dict[str, list[dict[str, float]]] = {name: [] for name in ("TF-IDF + SVM", *SETTINGS)}
            for seed in range(SEEDS):
                rows = draw(splits.train, shots, seed)
                (svm,) = ngram_baseline(Splits(rows, splits.validation, splits.test))
                scores["TF-IDF + SVM"].append({"accuracy": svm.accuracy, "macro_f1": svm.macro_f1})
                for name, setting in chosen.items():
                    fitted = _fit(name, model, rows, splits.validation, shots, seed, setting)
                    scores[name].append(_scores(fitted, splits.test))
                print(shots, seed, {name: each[-1] for name, each in scores.items()}, flush=True)
            results[str(shots)] = {"rows": len(draw(splits.train, shots, 0)), "chosen": chosen, "scores": scores}
    return {
        "labels": len(splits.train.tasks[0].labels),
        "rows": [len(splits.train), len(splits.validation), len(splits.test)],
        "shots": results,
    }


def read_intents(folder: Path) -> Splits:
    """Read the utterances, split as in the folder."""
    parts = {
        side: json.loads((folder / f"2020_{file}.json").read_bytes())
        for side, file in (("train", "train"), ("validation", "dev"), ("test", "test"))
    }
    task = Task(TASK, sorted({row["intent"] for row in parts["train"]}))
    return Splits(
        **{
            side: Dataset.from_columns([row["text"] for row in rows], {TASK: [row["intent"] for row in rows]}, tasks=[task])
            for side, rows in parts.items()
        }
    )


def draw(rows: Dataset, shots: int, seed: int) -> Dataset:
    """Draw `shots` rows of every label, or all of its rows if there are fewer."""
    random = np.random.default_rng(seed)
    (task,) = rows.tasks
    truth = rows.label_ids(task)
    places = [random.permutation(np.flatnonzero(truth == label))[:shots] for label in np.unique(truth)]
    return rows.take(np.sort(np.concatenate(places)).tolist())


def _fit(
    name: str, model: GoalModel, rows: Dataset, validation: Dataset, shots: int, seed: int, setting: dict[str, Any]
) -> GoalModel:
    if name == "plain fine-tuning":
        trainer = Trainer(
            epochs=EPOCHS[shots], patience=EPOCHS[shots], batch_size=16, warmup=0.1, seed=seed, temperature=False, **setting
        )
        return trainer.fit(model, Splits(rows, validation, validation), progress=False).model
    return FewLabelsTrainer(tuning=name.split()[-1], seed=seed, **setting).fit(model, rows, progress=False).model


def _scores(model: GoalModel, rows: Dataset) -> dict[str, float]:
    (score,) = evaluate(model, rows)
    return {"accuracy": score.accuracy, "macro_f1": score.macro_f1}


def _choose(name: str, model: GoalModel, splits: Splits, shots: int) -> dict[str, Any]:
    """Return the setting that is best on the development part, for a draw that is not reported."""
    if len(SETTINGS[name]) == 1:
        return SETTINGS[name][0]
    rows = draw(splits.train, shots, CHOOSING_SEED)
    found = [
        _scores(_fit(name, model, rows, splits.validation, shots, CHOOSING_SEED, setting), splits.validation)["macro_f1"]
        for setting in SETTINGS[name]
    ]
    print(shots, name, found, flush=True)
    return SETTINGS[name][int(np.argmax(found))]


def page(found: dict[str, Any], where: str) -> str:
    """Return the section of docs/benchmarks.md."""
    lines = [
        "| labelled rows | method | accuracy, median | worst and best | macro-F1, median | worst and best |",
        "|---|---|---|---|---|---|",
    ]
    for shots, each in found["shots"].items():
        for name, scores in each["scores"].items():
            columns = []
            for kind in ("accuracy", "macro_f1"):
                values = [score[kind] for score in scores]
                columns += [f"{statistics.median(values):.1%}", f"{min(values):.1%} … {max(values):.1%}"]
            lines.append(f"| {shots} per label, {each['rows']:,} in total | {name} | " + " | ".join(columns) + " |")
    train, validation, test = found["rows"]
    chosen = "; ".join(
        f"{name}, {shots} per label: {setting}"
        for shots, each in found["shots"].items()
        for name, setting in each["chosen"].items()
        if setting
    )
    return "\n".join(
        [
            "## Few labels",
            "",
            f"SMP2020 utterances to an assistant, {found['labels']} intents, {test} test rows; the labelled rows are drawn "
            f"from {train:,} rows (for rare intents, all rows), with {SEEDS} seeds. Real text. More than half of the test rows "
            "have the same intent, for which macro-F1 compensates. The encoder is multilingual-e5-small, 12 layers of width "
            "384, from 4-bit weights, with its vocabulary replaced by single characters. Settings were chosen on the "
            f"development part ({validation} rows) with a separate draw; plain fine-tuning also chooses its best epoch there, "
            "an advantage that the other methods do not have.",
            "",
            *lines,
            "",
            f"Settings chosen: {chosen}.",
            "",
            where,
            "",
        ]
    )
