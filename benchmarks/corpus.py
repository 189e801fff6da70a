"""Writes the quality report of the shipped goals to docs/goal-corpus-report.html."""

import csv
from pathlib import Path
from typing import Any

from sklearn.metrics import cohen_kappa_score

from goalkit import GOAL_TASKS
from goalkit.datasets import GOAL_LIMITS, Dataset, quality_report

PAGE = Path(__file__).parent.parent / "docs" / "goal-corpus-report.html"
RESULTS = Path(__file__).parent / "results"
RELABELLED, TWICE, CHANGED = LABELLINGS = [
    RESULTS / name for name in ("relabelled.csv", "labelled_twice.csv", "relabelled_changes.csv")
]
"""Labels of some goals by an earlier guide; both labels of every note; labels of sentences that the present guide changed."""

NO_GOAL = "?"
REMARK = (
    "The second labelling is by a language model, which had the annotation guide and {texts} goals without their labels. "
    "The goals were written and labelled by language models, too. How far people would agree is not known."
)


def measure(data: Path | None) -> dict[str, Any]:
    """Inspect the goals, their default splits, and a second labelling of some of them; write the page."""
    goals, second = Dataset.goals(), Dataset.from_csv(RELABELLED)
    report = quality_report(
        goals,
        limits=GOAL_LIMITS,
        splits=goals.clean().split(),
        vocabulary_of="tiny-bert",
        relabelled=second,
        remarks=[REMARK.format(texts=len(second))],
    )
    report.save(PAGE)
    checks = [
        {"name": each.name, "value": each.value_text, "limit": each.limit_text, "state": each.state} for each in report.checks
    ]
    with CHANGED.open(encoding="utf-8", newline="") as file:
        changed = sum(1 for _ in csv.DictReader(file))
    return {"digest": report.digest, "checks": checks, "labelled_twice": labelled_twice(), "changed": changed}


def labelled_twice() -> dict[str, Any]:
    """Return how far the two passes over the notes agree; a note that either took for no goal is left out of the tasks."""
    with TWICE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    goals = [row for row in rows if NO_GOAL not in (row["first"], row["second"])]
    tasks = {}
    for place, task in enumerate(GOAL_TASKS):
        first, second = ([row[name][place] for row in goals] for name in ("first", "second"))
        same = sum(a == b for a, b in zip(first, second, strict=True)) / len(goals)
        tasks[task.name] = {"same": same, "kappa": float(cohen_kappa_score(first, second))}
    return {"texts": len(rows), "tasks": tasks}
