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
@click.option("--output", type=Writes(), required=True, help="File for the cleaned rows, with all columns. Not DATA itself.")
@click.option("--log", type=Writes(), help="File for changes and dropped rows, as JSON lines.")
@click.option("--simplify", is_flag=True, help="Convert traditional characters to simplified ones.")
@click.option("--drop-near-duplicates", is_flag=True, help="Keep only the first of similar texts.")
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
    """Clean labelled texts, mask personal data, and drop empty, repeated or contradictory rows.

    DATA is a CSV, TSV, JSON lines, Parquet or Excel file. The output has the same columns. Its suffix selects the
    format: .csv, .tsv, .txt, .jsonl, .ndjson or .parquet. With the same suffix, the delimiter is kept.
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
    table(f"{len(cleaning.dataset)} of {cleaning.rows} rows kept", ["action", "rows"], counts)
    console.print(f"cleaned: {output}" + (f"\nlog:     {log}" if log else ""))
