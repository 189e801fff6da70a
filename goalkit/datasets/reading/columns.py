"""Whether a table has the columns that are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from goalkit.datasets.reading.encodings import printable
from goalkit.errors import DatasetError, MissingColumnError


def listed(names: Iterable[object]) -> str:
    """Names as a message lists them: on one line, cut after 200 characters."""
    line = printable(" ".join(", ".join(map(str, names)).split()))
    return line if len(line) <= 200 else f"{line[:199]}…"


def check_columns(source: str, columns: Sequence[object], names: Sequence[str]) -> None:
    """Raise DatasetError unless each of `names` is the name of exactly one column: MissingColumnError if it is of none."""
    if missing := [name for name in names if name not in columns]:
        raise MissingColumnError(
            f"{source} has no column {', '.join(missing)}; its columns are {listed(columns)}: name the right ones", missing
        )
    if repeated := [name for name in names if list(columns).count(name) > 1]:
        raise DatasetError(f"{source} has several columns {', '.join(repeated)}: give each column its own name")
