"""What closes the distance to goals that people wrote: notes, augmentation, class weights, and texts that teachers labelled.

All but the last models start from the weights before the second stage of pretraining (`build/pretraining/general`, which
`python -m pretraining` leaves there): the shipped weights have learned from all training rows, and from texts that teachers
labelled.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from benchmarks.people import HALVES, TRAINER, ngram_answers, read_people, scores_of, styles, tiny_answers
from goalkit import GOAL_TASKS, Dataset, Trainer
from goalkit.datasets.augmentation import Notes, augment

GENERAL = Path("build/pretraining/general")


def measure(data: Path | None) -> dict[str, Any]:
    """Return accuracies on the dev half of `goals_people`; one seed."""
    assert data is not None
    people = {half: read_people(data / "goals_people" / f"{half}.tsv") for half in HALVES}
    goals = Dataset.goals().clean()
    splits = goals.split(seed=0)
    style = dict(zip(goals.texts, styles().values(), strict=True))
    train, apart = splits.train, (splits.validation, splits.test)
    sentences = train.take([row for row, text in enumerate(train.texts) if style[text] == "sentence"])
    balanced = attrs.evolve(Trainer(), class_weights="balanced")
    steps = {
        "sentences": (sentences, Trainer(), GENERAL),
        "sentences, and notes made of them": (augment(sentences, [Notes()], apart_from=apart), Trainer(), GENERAL),
        "sentences and notes: the shipped goals": (train, Trainer(), GENERAL),
        "the shipped goals, and notes made of them": (augment(train, [Notes()], apart_from=apart), Trainer(), GENERAL),
        "the shipped goals, labels weighted by inverse frequency": (train, balanced, GENERAL),
        "the shipped goals, from the shipped weights": (train, TRAINER, None),
    }
    found: dict[str, Any] = {}
    for name, (rows, trainer, weights) in steps.items():
        answers = {
            "n-grams": ngram_answers(rows, people),
            "tiny": tiny_answers(attrs.evolve(splits, train=rows), 0, people, trainer=trainer, weights=weights),
        }
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
            "## What brings models closer to goals that people wrote",
            "",
            "Scored on the dev half of the goals that people wrote; one seed. All but the last start from the weights before "
            "the second stage of pretraining, with the defaults of `Trainer`. The shipped weights have learned from the same "
            "goals, and from texts without labels that fine-tuned teachers labelled. The augmentation `Notes` makes notes of "
            "sentences.",
            "",
            *lines,
            "",
            where,
            "",
        ]
    )
