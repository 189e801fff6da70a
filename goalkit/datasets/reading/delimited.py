"""Rows of CSV and TSV with the lines they stand on."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter

from goalkit.datasets.reading.columns import check_columns
from goalkit.datasets.reading.encodings import TextFile
from goalkit.datasets.reading.rejects import Rejects
from goalkit.errors import DatasetError

MOST_LINES = 200
"""A quoted field over more lines than this is taken for a quotation mark that nobody closed."""


class _Lines:
    """Feeds lines to a csv reader and keeps those of the record in hand.

    The csv module is quick and counts lines, but a quotation mark that is never closed makes it take the rest of the file
    for one field. Here such a record ends after its first line, and reading goes on with the next.
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
        """Forget the lines of the last record."""
        self.record = []
        self.ended = False

    def give_back(self) -> None:
        """Take only the first line of the record as read."""
        self._again.extendleft(reversed(self.record[1:]))
        self.number -= len(self.record) - 1
        del self.record[1:]


def delimited_rows(
    file: TextFile, names: Sequence[str], rejects: Rejects, delimiter: str
) -> Iterator[tuple[int, Sequence[object], str]]:
    """Rows of a file with a header line: the number of the first line, the fields of the columns `names`, the lines.

    Blank lines are skipped. Records with another number of fields than the header, with misplaced quotation marks or with
    undecodable bytes go to `rejects`.

    Raises:
        DatasetError: there is no header line, it cannot be read, or lacks a column.
    """
    header: list[str] = []
    pick: Callable[[list[str]], Sequence[object]] = tuple
    lines = _Lines(file.lines())
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.begin()
        reason = None
        fields: list[str] = []
        try:
            fields = next(reader)
        except StopIteration:
            break
        except csv.Error as fault:
            reason = str(fault)
            if lines.ended:
                reason = "a quotation mark is opened and not closed"
                lines.give_back()
        raw = "".join(lines.record)
        reason = file.undecodable(raw) or reason
        if not header:
            if reason:
                raise DatasetError(f"{file.path} has no readable header line ({reason}): correct it, or name the encoding")
            if fields:
                header = fields
                check_columns(str(file.path), header, names)
                pick = itemgetter(*map(header.index, names))
            continue
        if not fields and not reason:
            continue
        if not reason and len(fields) != len(header):
            reason = f"{len(fields)} field{'s' * (len(fields) > 1)}, while the header has {len(header)}"
        number = lines.number - len(lines.record) + 1
        if reason:
            rejects.add(number, reason, raw)
        else:
            yield number, pick(fields), raw
    if not header:
        raise DatasetError(f"{file.path} is empty: give a file with a header line and the columns {', '.join(names)}")
