"""`clean_file`: clean a file and keep its other columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from goalkit.datasets.cleaning import Cleaner, Cleaning
from goalkit.datasets.dataset import TEXT, Dataset
from goalkit.datasets.reading import AUTO, Columns, Labels, Record, Renaming, delimiter_of, file_source, find_columns, gather
from goalkit.datasets.writing import check_writable, write_records
from goalkit.tasks import GOAL_TASKS


def clean_file(
    path: str | Path,
    output: str | Path,
    *,
    cleaner: Cleaner | None = None,
    text: str = TEXT,
    labels: Labels = GOAL_TASKS,
    rename: Renaming | None = None,
    merge_labels: bool = False,
    encoding: str = AUTO,
    sheet: str | None = None,
    rejects: str | Path | None = None,
) -> Cleaning:
    """Clean a file and write the remaining rows, with all columns in order, to another file.

    Texts are written cleaned, and labels as they are read: renamed, merged, without stray spaces. Other columns are
    unchanged; records before the header are left out. The suffix of `output` selects the format, always in UTF-8. Delimited
    text with the same suffix keeps its delimiter.

    Args:
        path: a file that `Dataset.read` can read.
        output: the new file: .csv, .tsv, .txt, .jsonl, .ndjson or .parquet.
        cleaner: the cleaner; defaults to `Cleaner()`.
        text: the column of texts.
        labels: the label columns, as in `Dataset.read`.
        rename: labels by which to replace values, as in `Dataset.read`.
        merge_labels: merge labels that differ only by case, width or spaces, as in `Dataset.from_columns`.
        encoding: encoding of `path`, as in `Dataset.read`.
        sheet: sheet of an Excel workbook, as in `Dataset.read`.
        rejects: a file for bad rows, as in `Dataset.read`.

    Returns:
        The cleaned dataset and a record of all changes.

    Raises:
        DatasetError: `path` cannot be read, no row is left, or the format of `output` cannot represent the rows.
        StorageError: a file cannot be written. Its previous content is unchanged.
        ConfigurationError: a column has a single label, or a task name is invalid.
    """
    path, output = Path(path), Path(output)
    check_writable(output)
    asked = Columns.of(text, labels, rename)
    rows = gather(file_source(path, encoding, sheet, whole=True), asked, merge_labels=merge_labels, rejects=rejects)
    dataset = Dataset.from_columns(rows.texts, rows.labels, tasks=asked.tasks, merge_labels=merge_labels)
    cleaning = (cleaner or Cleaner()).clean(dataset)
    same = path.suffix.lower() == output.suffix.lower()
    delimiter = delimiter_of(path, encoding, asked.names) if same else None
    write_records(output, list(_cleaned(rows.records, asked.names, cleaning)), delimiter=delimiter)
    return cleaning


def _cleaned(records: Sequence[Record], names: Sequence[str], cleaning: Cleaning) -> Iterator[Record]:
    """Yield the remaining records, with their cleaned texts and labels."""

    @cache
    def places(columns: tuple[str, ...]) -> list[int]:
        return find_columns("the file", columns, names)

    dropped = {each.row - 1 for each in cleaning.dropped}
    kept = (record for row, record in enumerate(records) if row not in dropped)
    values = zip(cleaning.dataset.texts, *cleaning.dataset.labels.values(), strict=True)
    for (columns, given), row in zip(kept, values, strict=True):
        fields = list(given)
        for place, value in zip(places(tuple(columns)), row, strict=True):
            fields[place] = value
        yield columns, fields
