"""Reading tables of texts and labels from files, with errors that name the place of a fault."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from goalkit.errors import DatasetError


def read_csv(path: Path, columns: Sequence[str], *, encoding: str = "utf-8") -> pa.Table:
    """The named columns of a CSV file, all as strings; an empty field is an empty string.

    Raises:
        DatasetError: the file is missing, empty, in another encoding, not regular CSV, or lacks a column.
    """
    text = _decode(path, encoding)
    if not text.strip():
        raise DatasetError(f"{path} is empty: give a CSV file with a header line and the columns {', '.join(columns)}")
    parse = pa.csv.ParseOptions(newlines_in_values=True)
    strings = pa.csv.ConvertOptions(
        column_types={column: pa.string() for column in columns},
        strings_can_be_null=False,
        quoted_strings_can_be_null=False,
    )
    try:
        table = pa.csv.read_csv(pa.BufferReader(text.encode()), parse_options=parse, convert_options=strings)
    except pa.ArrowInvalid as fault:
        reason = str(fault).split("\n")[0]
        raise DatasetError(f"{path} is not regular CSV ({reason}): give every row as many fields as the header") from fault
    if missing := [column for column in columns if column not in table.column_names]:
        raise DatasetError(
            f"{path} has no column {', '.join(missing)}; its columns are {', '.join(table.column_names)}: name the right ones"
        )
    return table.select(list(columns))


def _decode(path: Path, encoding: str) -> str:
    try:
        data = path.read_bytes()
    except OSError as fault:
        raise DatasetError(f"{path} cannot be read ({fault.strerror}): check the path") from fault
    try:
        codec = codecs.lookup(encoding)
    except LookupError:
        raise DatasetError(f"there is no encoding {encoding!r}; common ones are utf-8, gb18030, big5") from None
    try:
        return str(data.decode(codec.name)).removeprefix("\ufeff")
    except LookupError:
        raise DatasetError(f"{encoding} is not an encoding of text; common ones are utf-8, gb18030, big5") from None
    except UnicodeDecodeError as fault:
        line = data[: fault.start].count(b"\n") + 1
        raise DatasetError(
            f"{path} is not {encoding}: byte 0x{data[fault.start]:02x} on line {line}; save it as UTF-8 or name its encoding, "
            "such as gb18030"
        ) from fault
