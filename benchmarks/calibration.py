"""Measures the calibration error with and without a temperature, fitted on validation rows and measured on test rows."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from goalkit import Dataset, GoalModel, Splits, Trainer
from goalkit.evaluation import calibrate, calibration_error

TRAINER = Trainer(epochs=10, learning_rate=5e-4, calibrate=False)
SEEDS = 3


def measure(data: Path | None) -> dict[str, Any]:
    """Train tiny-bert on the shipped goals with several seeds, and calibrate it."""
    splits = Dataset.goals().clean().split(seed=0)
    runs = []
    for seed in range(SEEDS):
        model = GoalModel.from_backbone("tiny-bert", tasks=splits.train.tasks, weights="random", seed=seed)
        runs.append(calibration_errors(TRAINER.fit(model, splits, progress=False).model, splits))
    return {"rows": len(splits.test), "runs": runs}


def calibration_errors(model: GoalModel, splits: Splits) -> dict[str, dict[str, float]]:
    """Return, per task, the temperature, and the expected calibration error on test rows before and after."""
    calibration = calibrate(model, splits.validation)
    before, after = (each.predict_probabilities(splits.test.texts) for each in (model, calibration.model))
    return {
        task.name: {
            "temperature": calibration.temperatures[task.name],
            "before": calibration_error(before[task.name], splits.test.label_ids(task)),
            "after": calibration_error(after[task.name], splits.test.label_ids(task)),
        }
        for task in model.tasks
    }


def page(found: dict[str, Any], titles: dict[str, Any] | None, where: str) -> str:
    """Return the section of docs/benchmarks.md; the figures for news titles come from the benchmark `titles`."""
    rows = [
        (f"goals, {task}, median of {len(found['runs'])} seeds", found["rows"], [run[task] for run in found["runs"]])
        for task in found["runs"][0]
    ]
    if titles:
        rows.append(("news titles, topic", titles["rows"][2], [titles["calibration"]["topic"]]))
    lines = [
        f"| {name} | {count:,} | "
        + " | ".join(
            format(statistics.median(run[kind] for run in runs), form)
            for kind, form in (("temperature", ".2f"), ("before", ".1%"), ("after", ".1%"))
        )
        + " |"
        for name, count, runs in rows
    ]
    return "\n".join(
        [
            "## Calibration",
            "",
            "Expected calibration error (15 bins) of tiny-bert on test rows, before and after the temperature that `Trainer` "
            "folds into each head, fitted on the validation rows. The goals are written by a language model, the titles are "
            "real.",
            "",
            "| task | test rows | temperature | before | after |",
            "|---|---|---|---|---|",
            *lines,
            "",
            where,
            "",
        ]
    )
