"""What notes among the training rows bring: models trained on parts of the shipped goals, scored on goals that people wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from benchmarks.people import HALVES, ngram_answers, read_people, scores_of, styles, tiny_answers
from goalkit import GOAL_TASKS, Dataset
from goalkit.datasets.augmentation import Notes, augment


def measure(data: Path | None) -> dict[str, Any]:
    """Return accuracies on the dev half of `goals_people`; one seed."""
    assert data is not None
    people = {half: read_people(data / "goals_people" / f"{half}.tsv") for half in HALVES}
    goals = Dataset.goals().clean()
    splits = goals.split(seed=0)
    style = dict(zip(goals.texts, styles().values(), strict=True))
    train, apart = splits.train, (splits.validation, splits.test)
    sentences = train.take([row for row, text in enumerate(train.texts) if style[text] == "sentence"])
    steps = {
        "sentences": sentences,
        "sentences, and notes made of them": augment(sentences, [Notes()], apart_from=apart),
        "sentences and notes: the shipped goals": train,
        "the shipped goals, and notes made of them": augment(train, [Notes()], apart_from=apart),
    }
    found: dict[str, Any] = {}
    for name, rows in steps.items():
        answers = {"n-grams": ngram_answers(rows, people), "tiny": tiny_answers(attrs.evolve(splits, train=rows), 0, people)}
        found[name] = {"rows": len(rows)}
        for method, each in answers.items():
            found[name][method] = {task: score["accuracy"] for task, score in scores_of(each, people)["dev"].items()}
    return {"steps": found}


def page(found: dict[str, Any], where: str) -> str:
    """Return the section of docs/benchmarks.md."""
    names = [task.name for task in GOAL_TASKS]
    lines = [f"| trained on | rows | n-grams: {', '.join(names)} | tiny-bert |", "|---|---|---|---|"]
    for step, each in found["steps"].items():
        scores = " | ".join(" / ".join(f"{each[method][name]:.1%}" for name in names) for method in ("n-grams", "tiny"))
        lines.append(f"| {step} | {each['rows']:,} | {scores} |")
    return "\n".join(
        [
            "## What notes bring",
            "",
            "Models trained on parts of the shipped goals, or also on notes that the augmentation `Notes` makes of sentences, "
            "scored on the dev half of the goals that people wrote; one seed.",
            "",
            *lines,
            "",
            where,
            "",
        ]
    )
