"""Read rows of Excel workbooks."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any

from goalkit.datasets.reading.columns import Row, find_columns, listed
from goalkit.datasets.reading.headers import HEADER_LIMIT, find_header, warn_skipped
from goalkit.errors import DatasetError, reason_of
from goalkit.extras import extra

BATCH = 1_000


def workbook_rows(path: Path, sheet: str | None, names: Sequence[str]) -> Iterator[Row]:
    """Yield the rows of one sheet. The header is the first row with the requested columns. Empty rows are skipped.

    Args:
        path: the workbook.
        sheet: the name of the sheet; None for the first one.
        names: the requested columns.

    Raises:
        DatasetError: the workbook cannot be read, or has no such sheet or columns.
        MissingPackageError: openpyxl is not installed.
    """
    with _opened(path) as workbook:
        titles = [each.title for each in workbook.worksheets]
        if not titles or (sheet is not None and sheet not in titles):
            raise DatasetError(f"{path} has no sheet {sheet or 'of cells'}; its sheets are {listed(titles)}: choose one")
        chosen = workbook.worksheets[0 if sheet is None else titles.index(sheet)]
        others = [title for title in titles if title != chosen.title]
        source = f"sheet {chosen.title} of {path}" + (f" (others: {listed(others)})" if others else "")
        records = _records(chosen)
        start = list(islice(records, HEADER_LIMIT))
        header = find_header(
            ((number, ["" if cell is None else str(cell) for cell in cells]) for number, cells in start), names
        )
        if header is None:
            raise DatasetError(f"{source} is empty: give a sheet with a header row and the columns {', '.join(names)}")
        places = find_columns(source, header.columns, names)
        warn_skipped(source, "row", header)
        width = len(header.columns)
        for number, cells in chain(start, records):
            if number > header.place:
                fields = (cells + [None] * width)[:width]
                yield Row(number, [fields[place] for place in places], None, header.columns, fields)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a workbook with openpyxl. Any error while reading is reported as a damaged file."""
    with extra("xlsx"):
        import openpyxl
    try:
        with path.open("rb") as file:
            with _quiet():
                workbook = openpyxl.load_workbook(file, read_only=True, data_only=True)
            yield workbook
    except DatasetError:
        raise
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror or error}): check the path") from error
    except Exception as error:  # openpyxl has no error for damaged files; those of zip, XML and its own code escape
        raise DatasetError(
            f"{path} is not a readable Excel workbook ({reason_of(error)}): save it again as .xlsx, without a password"
        ) from error


def _records(sheet: Any) -> Iterator[tuple[int, list[object]]]:
    """Yield number and cells of each row that is not empty."""
    with extra("xlsx"):
        from openpyxl.cell.cell import ERROR_CODES
        from openpyxl.utils.escape import unescape

    def value_of(cell: object) -> object:
        """Return None for a failed formula, and unescape `_x000D_` and the like."""
        if not isinstance(cell, str):
            return cell
        return None if cell in ERROR_CODES else unescape(cell)

    sheet.reset_dimensions()  # some programs, such as WPS, write wrong ones
    rows = enumerate(sheet.iter_rows(values_only=True), 1)
    while True:
        with _quiet():
            batch = list(islice(rows, BATCH))
        if not batch:
            return
        for number, values in batch:
            cells = list(map(value_of, values))
            if any(cell is not None and str(cell).strip() for cell in cells):
                yield number, cells


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress openpyxl's warnings about unsupported parts, such as styles and drop-down lists."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module="openpyxl")
        yield
