"""`goalkit clean`."""

from __future__ import annotations

from pathlib import Path

import click

from goalkit.cli.options import ColumnOptions, column_options
from goalkit.cli.paths import Reads, Writes


@click.command(
    "clean",
    epilog="""\b
Examples:
  goalkit clean goals.csv --output clean.csv
  goalkit clean goals.csv --label category --output clean.csv --log changes.jsonl --simplify
  goalkit clean backup.csv --text Title --label "List Name=category" --output goals.csv""",
)
@click.argument("data", type=Reads())
@click.option("--output", type=Writes(), required=True, help="File for what is left, with all columns. Not DATA itself.")
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
    columns: ColumnOptions,
    rejects: Path | None,
) -> None:
    """Clean labelled texts, mask what is personal, and drop what is empty, repeated or contradictory.

    DATA is a CSV, TSV, JSON lines, Parquet or Excel file. The output has all its columns; its suffix says the format: .csv,
    .tsv, .txt, .jsonl, .ndjson or .parquet. A file of the same suffix keeps its delimiter.
    """
    from goalkit.cli.tables import console, table
    from goalkit.datasets import Cleaner, clean_file

    cleaner = Cleaner(
        traditional="simplify" if simplify else "keep", near_duplicates="drop" if drop_near_duplicates else "keep"
    )
    cleaning = clean_file(data, output, cleaner=cleaner, **columns.arguments(), rejects=rejects)
    if log:
        cleaning.save(log)
    counts = [(f"changed: {step}", str(count)) for step, count in cleaning.changed_by.items()]
    counts += [(f"dropped: {reason}", str(count)) for reason, count in cleaning.dropped_for.items()]
    table(f"{len(cleaning.dataset)} of {cleaning.rows} rows kept", ["what", "rows"], counts)
    console.print(f"cleaned: {output}" + (f"\nlog:     {log}" if log else ""))
