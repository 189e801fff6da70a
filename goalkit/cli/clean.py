"""`goalkit clean`."""

from __future__ import annotations

from pathlib import Path

import click

from goalkit.cli.options import column_options
from goalkit.cli.paths import Reads, Writes


@click.command(
    "clean",
    epilog="""\b
Examples:
  goalkit clean goals.csv --output clean.csv
  goalkit clean goals.csv --label category --output clean.csv --log changes.jsonl --simplify""",
)
@click.argument("data", type=Reads())
@click.option("--output", type=Writes(), required=True, help="CSV file for what is left: the same columns. Not DATA itself.")
@click.option("--log", type=Writes(), help="File for each change and each dropped row, as JSON lines.")
@click.option("--simplify", is_flag=True, help="Make traditional characters simplified.")
@click.option("--drop-near-duplicates", is_flag=True, help="Keep the first only of texts that differ in little.")
@column_options
def command(
    data: Path,
    output: Path,
    log: Path | None,
    simplify: bool,
    drop_near_duplicates: bool,
    text: str,
    labels: tuple[str, ...],
    encoding: str,
    rejects: Path | None,
) -> None:
    """Clean labelled texts, mask what is personal, and drop what is empty, repeated or contradictory.

    DATA is a CSV, TSV, JSON lines or Parquet file.
    """
    import csv

    from goalkit.cli.tables import console, table
    from goalkit.datasets import Cleaner, Dataset
    from goalkit.storage import replacing_file
    from goalkit.tasks import GOAL_TASKS

    names = list(labels or [task.name for task in GOAL_TASKS])
    rows = Dataset.read(data, text=text, labels=names, encoding=encoding, rejects=rejects)
    cleaner = Cleaner(
        traditional="simplify" if simplify else "keep", near_duplicates="drop" if drop_near_duplicates else "keep"
    )
    cleaning = cleaner.clean(rows)
    with replacing_file(output) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([text, *names])
        writer.writerows(zip(cleaning.dataset.texts, *cleaning.dataset.labels.values(), strict=True))
    if log:
        cleaning.save(log)
    counts = [(f"changed: {step}", str(count)) for step, count in cleaning.changed_by.items()]
    counts += [(f"dropped: {reason}", str(count)) for reason, count in cleaning.dropped_for.items()]
    table(f"{len(cleaning.dataset)} of {len(rows)} rows kept", ["what", "rows"], counts)
    console.print(f"cleaned: {output}" + (f"\nlog:     {log}" if log else ""))
