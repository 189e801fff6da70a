"""What can be read: files by their suffix, pandas frames, and datasets of Hugging Face."""

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
"""Suffixes of delimited text, and the delimiter that each promises."""

LINES = (".jsonl", ".ndjson")

WORKBOOKS = (".xlsx", ".xlsm")

SUFFIXES = (*DELIMITED, *LINES, ".parquet", *WORKBOOKS)


@attrs.frozen
class Source:
    """Something that has rows.

    Args:
        name: what messages call it.
        unit: what places are counted in, from 1: `line` or `row`.
        rows: gives the rows, with these columns; those it cannot give go to the rejects.
        whole: whether the rows have all columns of the source, not only these.
    """

    name: str
    unit: str
    rows: Callable[[Sequence[str], Rejects], Iterator[Row]]
    whole: bool = False


def source_of(source: object, encoding: str, sheet: str | None) -> Source:
    """Recognise a path by its suffix, a `pandas.DataFrame` or a `datasets.Dataset`.

    Raises:
        DatasetError: it is something else.
        ConfigurationError: a sheet is named, and it is no workbook.
    """
    if sheet is not None and not (isinstance(source, str | os.PathLike) and Path(source).suffix.lower() in WORKBOOKS):
        raise ConfigurationError(
            f"sheet is {sheet!r}, and only Excel workbooks ({', '.join(WORKBOOKS)}) have sheets: leave it out"
        )
    if isinstance(source, str | os.PathLike):
        return file_source(Path(source), encoding, sheet)
    # an object of theirs can only be here if its library has been imported
    if isinstance(source, getattr(sys.modules.get("pandas"), "DataFrame", ())):
        return Source("the DataFrame", "row", partial(_frame_rows, source))
    if isinstance(source, getattr(sys.modules.get("datasets"), "Dataset", ())):
        return Source("the Hugging Face dataset", "row", partial(_arrow_rows, source))
    raise DatasetError(
        f"a {type(source).__name__} cannot be read: give the path of a file ({', '.join(SUFFIXES)}), a pandas DataFrame, or "
        "one split of a Hugging Face dataset"
    )


def file_source(path: Path, encoding: str, sheet: str | None, *, whole: bool = False) -> Source:
    """A file by its suffix; its rows with all their columns if `whole`. Raises DatasetError for other suffixes."""
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
    """A file of fields between delimiters, whatever its suffix; this delimiter is tried first."""
    return Source(
        str(path), "line", lambda names, bad: delimited_rows(TextFile.of(path, encoding), names, bad, delimiter), whole
    )


def delimiter_of(path: Path, encoding: str, names: Sequence[str]) -> str | None:
    """What stands between the fields of a file that has the columns `names`; None if it is not delimited text."""
    suffix = path.suffix.lower()
    return layout(TextFile.of(path, encoding), names, DELIMITED[suffix])[0] if suffix in DELIMITED else None


def hub_source(name: str, *, split: str, subset: str | None) -> Source:
    """A split of what `datasets.load_dataset` calls `name`.

    Raises:
        DatasetError: it cannot be loaded.
    """
    with extra("data"):
        from datasets import load_dataset
        from datasets.exceptions import DatasetsError
    try:
        loaded = load_dataset(name, subset, split=split)
    except (DatasetsError, OSError, ValueError, LookupError) as fault:
        reason = str(fault.__cause__ or fault).partition("\n")[0]
        raise DatasetError(
            f"{name} cannot be loaded ({reason}): check its name, subset, split ({split!r}) and the connection"
        ) from fault
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
    except FileNotFoundError as fault:
        raise DatasetError(f"{path} cannot be read (no such file): check the path") from fault
    except (pa.ArrowException, OSError, ValueError) as fault:
        raise DatasetError(f"{path} is not a Parquet file that can be read ({reason_of(fault)}): make it again") from fault


def _frame_rows(frame: Any, names: Sequence[str], rejects: Rejects) -> Iterator[Row]:
    places = find_columns("the DataFrame", list(frame.columns), names)

    def batches() -> Iterator[list[list[object]]]:
        for start in range(0, len(frame), BATCH):
            columns = [frame.iloc[start : start + BATCH, place] for place in places]
            yield [column.astype(object).where(column.notna(), None).tolist() for column in columns]

    return _rows(batches(), names)


def _arrow_rows(dataset: Any, names: Sequence[str], rejects: Rejects) -> Iterator[Row]:
    """Rows of a `datasets.Dataset`; a column of class numbers is read as its classes' names."""
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
    """Rows of batches of columns; what was asked for is at `places`, or is all of them."""
    number = 0
    for batch in batches:
        for fields in zip(*batch, strict=True):
            number += 1
            yield Row(number, fields if places is None else [fields[place] for place in places], None, columns, fields)
