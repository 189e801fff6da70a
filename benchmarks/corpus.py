"""Writes the quality report of the shipped goals to docs/goal-corpus-report.html."""

from pathlib import Path
from typing import Any

from goalkit.datasets import Dataset, quality_report

PAGE = Path(__file__).parent.parent / "docs" / "goal-corpus-report.html"
RELABELLED = Path(__file__).parent / "results" / "relabelled.csv"

REMARK = (
    "The second labelling is by a language model, which had the annotation guide and {texts} goals without their labels. "
    "The goals were written and labelled with the help of a language model too. How far people would agree is not known."
)


def measure(data: Path | None) -> dict[str, Any]:
    """Inspect the goals, their default splits, and a second labelling of some of them; write the page."""
    goals, second = Dataset.goals(), Dataset.from_csv(RELABELLED)
    report = quality_report(
        goals,
        splits=goals.clean().split(),
        vocabulary_of="tiny-bert",
        relabelled=second,
        remarks=[REMARK.format(texts=len(second))],
    )
    report.save(PAGE)
    checks = [
        {"name": each.name, "value": each.value_text, "limit": each.limit_text, "state": each.state} for each in report.checks
    ]
    return {"digest": report.digest, "checks": checks}
