"""Which settings of `Trainer` suit the shipped weights, with few rows and with many: its defaults are chosen from this.

Scored on validation parts alone: that of the shipped goals, and the development part of SMP2017, utterances to an assistant,
which no other benchmark scores. The folder `smp2017` holds `train.tsv` and `develop.tsv`, lines of text, tab and label.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.kept import kept
from goalkit import Dataset, GoalModel, Splits, Trainer
from goalkit.evaluation import evaluate
from goalkit.training.settings import ENOUGH_STEPS, FEWEST_EPOCHS, MOST_EPOCHS

SIZES = {"smp2017": (100, 1_000, 2_299), "goals": (1_000,)}
GRID: tuple[Mapping[str, Any], ...] = (
    {"learning_rate": 1e-4, "epochs": 4},
    {"learning_rate": 2e-4, "epochs": 4},
    {"learning_rate": 4e-4, "epochs": 4},
    {"learning_rate": 2e-4, "epochs": 4, "layer_decay": 0.8},
    {"learning_rate": 4e-4, "epochs": 4, "layer_decay": 0.8},
    {"learning_rate": 2e-4, "epochs": 8},
    {"learning_rate": 4e-4, "epochs": 16},
)
LONGEST = 20_000
"""Rows times epochs of a fit, at most: more epochs are for few rows."""
SCORED = 600
"""Validation rows."""


def measure(data: Path | None) -> dict[str, Any]:
    """Fine-tune with every setting on every number of rows."""
    assert data is not None
    encoder = GoalModel.from_backbone("tiny-bert", tasks=Dataset.goals().tasks, weights="pretrained").digest()
    found: dict[str, Any] = {}
    for name, splits in {"smp2017": _utterances(data / "smp2017"), "goals": Dataset.goals().clean().split(seed=0)}.items():
        scored = splits.validation.take(range(min(SCORED, len(splits.validation))))
        for size in SIZES[name]:
            rows = _drawn(splits.train, size)
            found[f"{name}, {len(rows):,} rows"] = {
                name_of(settings): kept(
                    "defaults",
                    f"{encoder[:12]}-{name}-{size}-{name_of(settings)}".replace(" ", "-"),
                    partial(_score, Splits(rows, scored, scored), Trainer(**settings)),
                )
                for settings in GRID
                if len(rows) * settings["epochs"] <= LONGEST
            }
    return {"encoder": encoder, "scores": found}


def name_of(settings: Mapping[str, Any]) -> str:
    """Return the settings in a line."""
    decay = f", layer decay {settings['layer_decay']}" if "layer_decay" in settings else ""
    return f"{settings['learning_rate']:.0e}, {settings['epochs']} epochs{decay}"


def _score(splits: Splits, trainer: Trainer) -> float:
    model = GoalModel.from_backbone("tiny-bert", tasks=splits.train.tasks)
    scores = evaluate(trainer.fit(model, splits, progress=False).model, splits.validation)
    return float(np.mean([each.macro_f1 for each in scores]))


def _drawn(rows: Dataset, size: int) -> Dataset:
    """Return rows in random order: one per label of each task, then others."""
    order = np.random.default_rng(0).permutation(len(rows))
    first = {
        (task.name, label): place
        for task in rows.tasks
        for place, label in zip(order, rows.label_ids(task)[order], strict=True)
    }
    chosen = dict.fromkeys(int(place) for place in (*first.values(), *order))
    return rows.take(list(chosen)[:size])


def _utterances(folder: Path) -> Splits:
    def part(file: str) -> Dataset:
        lines = (folder / f"{file}.tsv").read_text(encoding="utf-8").splitlines()
        texts, labels = zip(*(line.split("\t") for line in lines if line.strip()), strict=True)
        return Dataset.from_columns(texts, {"domain": labels})

    train = part("train")
    develop = part("develop").with_tasks(train.tasks)
    return Splits(train, develop, develop)


def page(found: dict[str, Any], where: str) -> str:
    """Return the section of docs/benchmarks.md."""
    sets = list(found["scores"])
    lines = [f"| learning rate, epochs | {' | '.join(sets)} |", "|---" * (len(sets) + 1) + "|"]
    for settings in GRID:
        scores = [each.get(name_of(settings)) for each in found["scores"].values()]
        cells = ("" if score is None else f"{score:.1%}" for score in scores)
        lines.append(f"| {name_of(settings)} | {' | '.join(cells)} |")
    return "\n".join(
        [
            "## Settings for the shipped weights",
            "",
            "Macro-F1 on validation rows, mean over the tasks, of tiny-bert fine-tuned from the shipped weights, one seed. The "
            "goals' training part was among the texts of the weights' second stage; SMP2017 (utterances to an assistant) was "
            "not. The defaults of `Trainer` are chosen from this table: "
            f"{Trainer().learning_rate:.0e}, and {FEWEST_EPOCHS} epochs, or with few rows as many as make {ENOUGH_STEPS} "
            f"steps, at most {MOST_EPOCHS}. Tasks that the weights have heads for need less: see `goalkit demo`.",
            "",
            *lines,
            "",
            where,
            "",
        ]
    )
