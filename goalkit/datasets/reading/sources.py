"""Sources of rows: files by suffix, pandas data frames and Hugging Face datasets."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pyarrow as pa

from goalkit.datasets.reading.columns import Row, find_columns
from goalkit.datasets.reading.delimited import delimited_rows, layout
from goalkit.datasets.reading.encodings import TextFile
from goalkit.datasets.reading.jsonlines import json_rows
from goalkit.datasets.reading.rejects import Rejects
from goalkit.datasets.reading.workbooks import workbook_rows
from goalkit.errors import ConfigurationError, DatasetError, reason_of
from goalkit.extras import extra

BATCH = 65_536

DELIMITED = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
"""Suffixes of delimited text, with the usual delimiter of each."""

LINES = (".jsonl", ".ndjson")

WORKBOOKS = (".xlsx", ".xlsm")

SUFFIXES = (*DELIMITED, *LINES, ".parquet", *WORKBOOKS)


@attrs.frozen
class Source:
    """A source of rows.

    Args:
        name: its name in messages.
        unit: unit of places, counted from 1: `line` or `row`.
        rows: yields the rows, given the requested columns; bad rows go to the rejects.
        whole: whether the rows have all columns of the source, not only the requested ones.
    """

    name: str
    unit: str
    rows: Callable[[Sequence[str], Rejects], Iterator[Row]]
    whole: bool = False


def source_of(source: object, encoding: str, sheet: str | None) -> Source:
    """Return the source for a path (by suffix), a `pandas.DataFrame` or a `datasets.Dataset`.

    Raises:
        DatasetError: it is something else.
        ConfigurationError: `sheet` is given for a source that is not a workbook.
    """
    if sheet is not None and not (isinstance(source, str | os.PathLike) and Path(source).suffix.lower() in WORKBOOKS):
        raise ConfigurationError(
            f"sheet is {sheet!r}, but only Excel workbooks ({', '.join(WORKBOOKS)}) have sheets: leave it out"
        )
    if isinstance(source, str | os.PathLike):
        return file_source(Path(source), encoding, sheet)
    # such an object can exist only if its library has been imported
    if isinstance(source, getattr(sys.modules.get("pandas"), "DataFrame", ())):
        return Source("the DataFrame", "row", partial(_frame_rows, source))
    if isinstance(source, getattr(sys.modules.get("datasets"), "Dataset", ())):
        return Source("the Hugging Face dataset", "row", partial(_arrow_rows, source))
    raise DatasetError(
        f"a {type(source).__name__} cannot be read: give the path of a file ({', '.join(SUFFIXES)}), a pandas DataFrame, or "
        "one split of a Hugging Face dataset"
    )


def file_source(path: Path, encoding: str, sheet: str | None, *, whole: bool = False) -> Source:
    """Return the source for a file, with all columns if `whole`. Raises DatasetError for an unknown suffix."""
    suffix = path.suffix.lower()
    if suffix in DELIMITED:
        return csv_source(path, encoding, delimiter=DELIMITED[suffix], whole=whole)
    if suffix in LINES:
        return Source(str(path), "line", lambda names, bad: json_rows(TextFile.of(path, encoding), names, bad), whole)
    if suffix in WORKBOOKS:
        return Source(str(path), "row", lambda names, _: workbook_rows(path, sheet, names), whole)
    if suffix == ".parquet":
        return Source(str(path), "row", lambda names, _: _parquet_rows(path, names, whole), whole)
    remedy = "save it as .xlsx, or give" if suffix == ".xls" else "give"
    raise DatasetError(f"{path} has the suffix {path.suffix!r}: {remedy} a file with one of {', '.join(SUFFIXES)}")


def csv_source(path: Path, encoding: str, *, delimiter: str = ",", whole: bool = False) -> Source:
    """Return the source for a file of delimited text with any suffix. `delimiter` is tried first."""
    return Source(
        str(path), "line", lambda names, bad: delimited_rows(TextFile.of(path, encoding), names, bad, delimiter), whole
    )


def delimiter_of(path: Path, encoding: str, names: Sequence[str]) -> str | None:
    """Return the delimiter of a file that has the columns `names`, or None if it is not delimited text."""
    suffix = path.suffix.lower()
    return layout(TextFile.of(path, encoding), names, DELIMITED[suffix])[0] if suffix in DELIMITED else None


def hub_source(name: str, *, split: str, subset: str | None) -> Source:
    """Return the source for a split of the dataset that `datasets.load_dataset` loads.

    Raises:
        DatasetError: it cannot be loaded.
    """
    with extra("data"):
        from datasets import load_dataset
        from datasets.exceptions import DatasetsError
    try:
        loaded = load_dataset(name, subset, split=split)
    except (DatasetsError, OSError, ValueError, LookupError) as error:
        reason = str(error.__cause__ or error).partition("\n")[0]
        raise DatasetError(
            f"{name} cannot be loaded ({reason}): check the name, subset, split ({split!r}) and connection"
        ) from error
    return Source(f"{name} ({split})", "row", partial(_arrow_rows, loaded))


def _parquet_rows(path: Path, names: Sequence[str], whole: bool) -> Iterator[Row]:
    with extra("data"):
        from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            columns = file.schema_arrow.names
            places = find_columns(str(path), columns, names)
            if not whole:
                columns, places = [columns[place] for place in places], list(range(len(places)))
            batches = file.iter_batches(BATCH, columns=columns)
            yield from _rows(([batch[name].to_pylist() for name in columns] for batch in batches), columns, places)
    except FileNotFoundError as error:
        raise DatasetError(f"{path} cannot be read (no such file): check the path") from error
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DatasetError(f"{path} is not a readable Parquet file ({reason_of(error)}): create it again") from error


def _frame_rows(frame: Any, names: Sequence[str], rejects: Rejects) -> Iterator[Row]:
    places = find_columns("the DataFrame", list(frame.columns), names)

    def batches() -> Iterator[list[list[object]]]:
        for start in range(0, len(frame), BATCH):
            columns = [frame.iloc[start : start + BATCH, place] for place in places]
            yield [column.astype(object).where(column.notna(), None).tolist() for column in columns]

    return _rows(batches(), names)


def _arrow_rows(dataset: Any, names: Sequence[str], rejects: Rejects) -> Iterator[Row]:
    """Yield the rows of a `datasets.Dataset`. Class numbers are replaced by class names."""
    places = find_columns("the Hugging Face dataset", dataset.column_names, names)
    columns = [dataset.column_names[place] for place in places]

    def values(name: str, column: list[Any]) -> list[object]:
        known = getattr(dataset.features[name], "names", None)
        return column if known is None else [known[value] if value is not None and value >= 0 else None for value in column]

    batches = dataset.select_columns(columns).with_format(None).iter(batch_size=BATCH)
    return _rows(([values(name, batch[name]) for name in columns] for batch in batches), names)


def _rows(
    batches: Iterable[Iterable[Sequence[object]]], columns: Sequence[str], places: Sequence[int] | None = None
) -> Iterator[Row]:
    """Yield the rows of batches of columns. The requested columns are at `places`; None means all."""
    number = 0
    for batch in batches:
        for fields in zip(*batch, strict=True):
            number += 1
            yield Row(number, fields if places is None else [fields[place] for place in places], None, columns, fields)
