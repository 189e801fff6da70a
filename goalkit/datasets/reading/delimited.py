"""Read rows of delimited text, such as CSV and TSV, with their line numbers."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from operator import itemgetter
from typing import NamedTuple

from goalkit.datasets.reading.columns import Row, find_columns
from goalkit.datasets.reading.encodings import TextFile
from goalkit.datasets.reading.headers import HEADER_LIMIT, Header, find_header, warn_skipped
from goalkit.datasets.reading.rejects import Rejects
from goalkit.errors import DatasetError

DELIMITERS = (",", "\t", ";", "|")

MOST_LINES = 200
"""A quoted field over more lines than this counts as an unclosed quotation mark."""

_DECLARED = re.compile(r'"?sep=(\t|[^\w\s"])')
"""A first line that sets the delimiter, as in Excel."""


class _Record(NamedTuple):
    number: int
    fields: list[str]
    reason: str | None
    raw: str


class _Lines:
    """Passes lines to a csv reader and keeps those of the current record.

    With an unclosed quotation mark, the csv module reads the rest of the file as one field. Here such a record ends after its
    first line, and reading continues with the next line.
    """

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._again: deque[str] = deque()
        self.number = 0
        self.record: list[str] = []
        self.ended = False

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if len(self.record) == MOST_LINES:
            self.ended = True
            raise StopIteration
        if self._again:
            line = self._again.popleft()
        else:
            try:
                line = next(self._lines)
            except StopIteration:
                self.ended = True
                raise
        self.number += 1
        self.record.append(line)
        return line

    def begin(self) -> None:
        """Begin a new record."""
        self.record = []
        self.ended = False

    def give_back(self) -> None:
        """Mark all lines of the record but the first as unread."""
        self._again.extendleft(reversed(self.record[1:]))
        self.number -= len(self.record) - 1
        del self.record[1:]


def delimited_rows(file: TextFile, names: Sequence[str], rejects: Rejects, delimiter: str) -> Iterator[Row]:
    """Yield the rows of a file with a header line. The place of a row is its first line.

    The header is the first record with the requested columns; records before it are skipped. The delimiter is the one that
    yields such a header. Blank lines and records with only empty fields are skipped. Records with a different number of
    fields than the header, misplaced quotation marks or undecodable bytes go to `rejects`.

    Args:
        file: the file to read.
        names: the requested columns, at least two.
        rejects: collects bad records.
        delimiter: the delimiter to try first.

    Raises:
        DatasetError: there is no readable header line, or it lacks a column.
    """
    delimiter, header = layout(file, names, delimiter)
    pick = itemgetter(*find_columns(str(file.path), header.columns, names))
    warn_skipped(str(file.path), "line", header)
    for number, fields, reason, raw in _records(file, file.lines(), delimiter):
        if number <= header.place:
            continue
        if not reason and len(fields) != len(header.columns):
            reason = f"{len(fields)} field{'s' * (len(fields) > 1)}, while the header has {len(header.columns)}"
        if reason:
            rejects.add(number, reason, raw)
        else:
            yield Row(number, pick(fields), raw, header.columns, fields)


def layout(file: TextFile, names: Sequence[str], delimiter: str) -> tuple[str, Header]:
    """Return the delimiter and the header of a file. Without a header that has all of `names`, return the closest match.

    Raises:
        DatasetError: there is no readable header line.
    """
    declared = _DECLARED.match(next(file.lines(), ""))
    found: dict[str, Header] = {}
    header_error = None
    for each in dict.fromkeys([*([declared[1]] if declared else []), delimiter, *DELIMITERS]):
        records = list(_records(file, islice(file.lines(), HEADER_LIMIT), each))
        if records and each == delimiter:
            header_error = records[0].reason
        readable = [(record.number, record.fields) for record in records if not record.reason]
        header = find_header(readable[1:] if declared else readable, names)
        if header and header.known == len(names):
            return each, header
        if header:
            found[each] = header
    if header_error and not any(header.known for header in found.values()):
        raise DatasetError(f"{file.path} has no readable header line ({header_error}): correct it, or name the encoding")
    if not found:
        raise DatasetError(f"{file.path} is empty: give a file with a header line and the columns {', '.join(names)}")
    return max(found.items(), key=lambda each: (each[1].known, len(each[1].columns)))


def _records(file: TextFile, given: Iterator[str], delimiter: str) -> Iterator[_Record]:
    lines = _Lines(given)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.begin()
        reason = None
        fields: list[str] = []
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            reason = str(error)
            if lines.ended:
                reason = "a quotation mark is opened and not closed"
                lines.give_back()
        raw = "".join(lines.record)
        reason = file.undecodable(raw) or reason
        if reason or any(map(str.strip, fields)):
            yield _Record(lines.number - len(lines.record) + 1, fields, reason, raw)
