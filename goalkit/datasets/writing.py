"""Write records as delimited text, JSON lines or Parquet, depending on the suffix."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa

from goalkit.datasets.reading.encodings import is_unicode, printable
from goalkit.datasets.reading.gathering import Record
from goalkit.datasets.reading.sources import DELIMITED, LINES
from goalkit.errors import DatasetError
from goalkit.extras import extra
from goalkit.storage import replacing_file, write_file

SUFFIXES = (*DELIMITED, *LINES, ".parquet")


def check_writable(path: Path) -> None:
    """Raise DatasetError unless `write_records` supports the suffix of `path`."""
    if path.suffix.lower() not in SUFFIXES:
        raise DatasetError(f"{path} has the suffix {path.suffix!r}, which cannot be written: use one of {', '.join(SUFFIXES)}")


def write_records(path: Path, records: Sequence[Record], *, delimiter: str | None = None) -> None:
    """Write records atomically, with columns in the order of their first occurrence.

    Args:
        path: the file to write.
        records: at least one; they may have different columns.
        delimiter: delimiter of delimited text; None for the usual one of the suffix.

    Raises:
        DatasetError: the suffix is not supported, or several columns have the same name, which this format does not allow.
        StorageError: the file cannot be written. Its previous content is unchanged.
    """
    check_writable(path)
    suffix = path.suffix.lower()
    if suffix in DELIMITED:
        columns, rows = _tabulated(records)
        with replacing_file(path) as file:
            lines = SimpleNamespace(write=lambda line: file.write(f"{line[:-2]}\n"))
            # the csv module quotes only characters of its line terminator, and a lone return must be quoted
            writer = csv.writer(lines, delimiter=delimiter or DELIMITED[suffix], lineterminator="\r\n")
            writer.writerow(columns)
            writer.writerows(map(_text, row) for row in rows)
        return
    for columns in {id(columns): columns for columns, _ in records}.values():
        if repeated := [name for name in dict.fromkeys(columns) if list(columns).count(name) > 1]:
            raise DatasetError(f"{path} cannot have several columns {', '.join(repeated)}: write a .csv, or rename them first")
    if suffix in LINES:
        with replacing_file(path) as file:
            file.writelines(_json(dict(zip(columns, fields, strict=True))) + "\n" for columns, fields in records)
        return
    with extra("data"):
        from pyarrow import parquet

    columns, rows = _tabulated(records)
    buffer = io.BytesIO()
    parquet.write_table(pa.table(dict(zip(columns, map(_array, zip(*rows, strict=True)), strict=True))), buffer)
    write_file(path, buffer.getvalue())


def _tabulated(records: Sequence[Record]) -> tuple[Sequence[str], Iterable[Sequence[object]]]:
    first, _ = records[0]
    if all(columns is first or columns == first for columns, _ in records):
        return first, (fields for _, fields in records)
    union = list(dict.fromkeys(name for columns, _ in records for name in columns))
    keyed = (dict(zip(columns, fields, strict=True)) for columns, fields in records)
    return union, ([record.get(name) for name in union] for record in keyed)


def _text(value: object) -> str:
    """Format a field: text unchanged, None as empty, dates in ISO 8601, everything else as in JSON."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else _json(value).strip('"')
    return text if is_unicode(text) else printable(text)


def _json(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if is_unicode(text) else json.dumps(value, default=str)


def _array(values: Sequence[object]) -> pa.Array:
    """Return an Arrow column, of strings if the values have different types."""
    try:
        return pa.array(values)
    except pa.ArrowException:
        return pa.array([None if value is None else _text(value) for value in values], pa.string())
