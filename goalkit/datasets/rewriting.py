"""`clean_file`: a file cleaned, with all that it has beside texts and labels."""

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
    """Clean a file into another that has all its columns, in their order, without the rows that are dropped.

    Texts are written as cleaning leaves them, labels as they are read: renamed, merged, without stray spaces. Everything else
    stays as it is, but what stands before a header line is left out. The format is that of the suffix of `output`, in UTF-8;
    files of delimited text with the same suffix have the same delimiter.

    Args:
        path: a file that `Dataset.read` reads.
        output: where to: .csv, .tsv, .txt, .jsonl, .ndjson or .parquet.
        cleaner: what to clean with; `Cleaner()` if not given.
        text: the column of texts.
        labels: the label columns, as for `Dataset.read`.
        rename: for a task, what to call its values, as for `Dataset.read`.
        merge_labels: make one of labels that differ only by case, width or spaces, as for `Dataset.from_columns`.
        encoding: of `path`, as for `Dataset.read`.
        sheet: of an Excel workbook, as for `Dataset.read`.
        rejects: a file for bad rows, as for `Dataset.read`.

    Returns:
        What the cleaning did, and the dataset that is left.

    Raises:
        DatasetError: `path` cannot be read, no row is left, or `output` is of a format that cannot hold the rows.
        StorageError: a file cannot be written. What stood there before still stands.
        ConfigurationError: a column holds a single label, or the name of a task cannot be one.
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
    """The records that stay, with the texts and labels that they have now."""

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
