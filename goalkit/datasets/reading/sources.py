"""What can be read: files by their suffix, pandas frames, and datasets of Hugging Face."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pyarrow as pa

from goalkit.datasets.reading.columns import check_columns
from goalkit.datasets.reading.delimited import delimited_rows
from goalkit.datasets.reading.encodings import TextFile
from goalkit.datasets.reading.jsonlines import json_rows
from goalkit.datasets.reading.rejects import Rejects
from goalkit.errors import DatasetError

BATCH = 65_536

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")

Row = tuple[int, Sequence[object], str | None]
"""Where a row begins, its values of the columns asked for, and its text in the file, if it has one."""


@attrs.frozen
class Source:
    """Something that has rows.

    Args:
        name: what messages call it.
        unit: what places are counted in, from 1: `line` or `row`.
        rows: gives the rows, with these columns; those it cannot give go to the rejects.
    """

    name: str
    unit: str
    rows: Callable[[Sequence[str], Rejects], Iterator[Row]]


def source_of(source: object, encoding: str) -> Source:
    """Recognise a path by its suffix, a `pandas.DataFrame` or a `datasets.Dataset`. Raises DatasetError for anything else."""
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        match path.suffix.lower():
            case ".csv":
                return csv_source(path, encoding)
            case ".tsv":
                return csv_source(path, encoding, delimiter="\t")
            case ".jsonl" | ".ndjson":
                return Source(str(path), "line", lambda names, rejects: json_rows(TextFile.of(path, encoding), names, rejects))
            case ".parquet":
                return Source(str(path), "row", partial(_parquet_rows, path))
        raise DatasetError(f"{path} has the suffix {path.suffix!r}: give a file with one of {', '.join(SUFFIXES)}")
    # an object of theirs can only be here if its library has been imported
    if isinstance(source, getattr(sys.modules.get("pandas"), "DataFrame", ())):
        return Source("the DataFrame", "row", partial(_frame_rows, source))
    if isinstance(source, getattr(sys.modules.get("datasets"), "Dataset", ())):
        return Source("the Hugging Face dataset", "row", partial(_arrow_rows, source))
    raise DatasetError(
        f"a {type(source).__name__} cannot be read: give the path of a file ({', '.join(SUFFIXES)}), a pandas DataFrame, or "
        "one split of a Hugging Face dataset"
    )


def csv_source(path: Path, encoding: str, *, delimiter: str = ",") -> Source:
    """A file of fields between delimiters, whatever its suffix."""
    return Source(
        str(path), "line", lambda names, rejects: delimited_rows(TextFile.of(path, encoding), names, rejects, delimiter)
    )


def hub_source(name: str, *, split: str, subset: str | None) -> Source:
    """A split of what `datasets.load_dataset` calls `name`.

    Raises:
        DatasetError: it cannot be loaded, or datasets is not installed.
    """
    try:
        from datasets import load_dataset
        from datasets.exceptions import DatasetsError
    except ImportError as fault:
        raise DatasetError("reading from the hub needs the package datasets: pip install goalkit[data]") from fault
    try:
        loaded = load_dataset(name, subset, split=split)
    except (DatasetsError, OSError, ValueError, LookupError) as fault:
        reason = str(fault.__cause__ or fault).partition("\n")[0]
        raise DatasetError(
            f"{name} cannot be loaded ({reason}): check its name, subset, split ({split!r}) and the connection"
        ) from fault
    return Source(f"{name} ({split})", "row", partial(_arrow_rows, loaded))


def _parquet_rows(path: Path, names: Sequence[str], rejects: Rejects) -> Iterator[Row]:
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            check_columns(str(path), file.schema_arrow.names, names)
            batches = file.iter_batches(BATCH, columns=list(names))
            yield from _numbered([batch.column(name).to_pylist() for name in names] for batch in batches)
    except FileNotFoundError as fault:
        raise DatasetError(f"{path} cannot be read (no such file): check the path") from fault
    except (pa.ArrowException, OSError, ValueError) as fault:
        reason = " ".join(str(fault).split())[:200]
        raise DatasetError(f"{path} is not a Parquet file that can be read ({reason}): make it again") from fault


def _frame_rows(frame: Any, names: Sequence[str], rejects: Rejects) -> Iterator[Row]:
    check_columns("the DataFrame", list(frame.columns), names)

    def batches() -> Iterator[list[list[object]]]:
        for start in range(0, len(frame), BATCH):
            columns = [frame[name].iloc[start : start + BATCH] for name in names]
            yield [column.astype(object).where(column.notna(), None).tolist() for column in columns]

    return _numbered(batches())


def _arrow_rows(dataset: Any, names: Sequence[str], rejects: Rejects) -> Iterator[Row]:
    """Rows of a `datasets.Dataset`; a column of class numbers is read as its classes' names."""
    check_columns("the Hugging Face dataset", dataset.column_names, names)
    classes = {name: getattr(dataset.features[name], "names", None) for name in names}

    def column(name: str, values: list[Any]) -> list[object]:
        known = classes[name]
        return values if known is None else [known[value] if value is not None and value >= 0 else None for value in values]

    batches = dataset.select_columns(list(names)).with_format(None).iter(batch_size=BATCH)
    return _numbered([column(name, batch[name]) for name in names] for batch in batches)


def _numbered(batches: Iterator[list[list[object]]]) -> Iterator[Row]:
    number = 0
    for columns in batches:
        for values in zip(*columns, strict=True):
            number += 1
            yield number, values, None
