"""`goalkit quality`."""

from __future__ import annotations

from pathlib import Path

import click

from goalkit.cli.options import ColumnOptions, data_options, load_rows
from goalkit.cli.paths import Reads, Writes


@click.command(
    "quality",
    epilog="""\b
Examples:
  goalkit quality
  goalkit quality --data goals.csv --output build/quality.html
  goalkit quality --data titles.csv --text title --label topic --relabelled second.csv""",
)
@data_options
@click.option("--backbone", default="tiny-bert", show_default=True, help="Check the texts against its vocabulary.")
@click.option("--relabelled", type=Reads(), help="CSV file with the same columns and independent labels.")
@click.option("--output", type=Writes(), help="Also write a page (.html) or data (.json).")
def command(
    data: Path | None,
    columns: ColumnOptions,
    rejects: Path | None,
    seed: int,
    backbone: str,
    relabelled: Path | None,
    output: Path | None,
) -> None:
    """Check labelled texts, uncleaned, and the splits that `goalkit train` would create.

    The exit code is 3 if a limit is missed.
    """
    from goalkit.cli.reports import show_quality
    from goalkit.cli.tables import console
    from goalkit.datasets import GOAL_LIMITS, QualityLimits, quality_report
    from goalkit.errors import DatasetError

    if output and output.suffix not in {".html", ".json"}:
        raise click.UsageError(f"{output} ends in neither .html nor .json: choose one of the two")
    rows = load_rows(data, columns, rejects)
    remarks, splits = [], None
    try:
        splits = rows.clean().split(seed=seed)
    except DatasetError as error:  # such rows need a report most
        remarks.append(f"The rows cannot be split: {error}.")
    report = quality_report(
        rows,
        limits=QualityLimits() if data else GOAL_LIMITS,
        splits=splits,
        vocabulary_of=backbone,
        relabelled=columns.read(relabelled, None) if relabelled else None,
        remarks=remarks,
        seed=seed,
    )
    if output:
        report.save(output)
    show_quality(report)
    if output:
        console.print(f"report: {output}")
    raise SystemExit(0 if report.passed else 3)
