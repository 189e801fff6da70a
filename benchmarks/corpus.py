"""The quality report of the shipped goals, written to docs/goal-corpus-report.html."""

from pathlib import Path
from typing import Any

from goalkit.datasets import Dataset, quality_report
from goalkit.datasets.readers import read_csv
from goalkit.tasks import GOAL_TASKS

PAGE = Path(__file__).parent.parent / "docs" / "goal-corpus-report.html"
RELABELLED = Path(__file__).parent / "results" / "relabelled.csv"

REMARKS = (
    "The second labelling is by a language model, which had the annotation guide and {texts} goals without their labels. "
    "The goals were written and labelled with the help of a language model too. How far people would agree is not known.",
    "The file holds a further labelling, also by a language model. It is the same as the first in all of its labels, so it "
    "cannot be told from a copy: it is left out of the figures, and nothing is said about how far two annotators agree.",
)


def relabelled(annotator: str) -> Dataset:
    """The goals that a second annotator labelled, `a` or `b`."""
    columns = [f"{task.name}_{annotator}" for task in GOAL_TASKS]
    table = read_csv(RELABELLED, ["text", *columns])
    labels = {task.name: table[column].to_pylist() for task, column in zip(GOAL_TASKS, columns, strict=True)}
    return Dataset.from_columns(table["text"].to_pylist(), labels, tasks=GOAL_TASKS)


def measure(data: Path | None) -> dict[str, Any]:
    """Inspect the goals, their default splits, and a second labelling of some of them; write the page."""
    goals, second = Dataset.goals(), relabelled("a")
    if relabelled("b").labels != second.labels:
        raise ValueError(f"the two labellings in {RELABELLED} differ now: measure how far they agree, and change the remarks")
    report = quality_report(
        goals,
        splits=goals.clean().split(),
        vocabulary_of="tiny-bert",
        relabelled=second,
        remarks=[remark.format(texts=len(second)) for remark in REMARKS],
    )
    report.save(PAGE)
    checks = [
        {"name": each.name, "value": each.value_text, "limit": each.limit_text, "state": each.state} for each in report.checks
    ]
    return {"digest": report.digest, "checks": checks}
