"""Collect bad rows: count them, describe the first ones, and optionally write them to a file."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TextIO

from goalkit.datasets.reading.encodings import printable
from goalkit.errors import DatasetError, StorageError
from goalkit.storage import replacing_file

NAMED = 3
"""Number of bad rows that a message describes."""

logger = logging.getLogger(__name__)


class Rejects:
    """The bad rows of one source, as a context manager for the time of reading.

    With a file, they are written to it atomically, one JSON object per line: `line` (or `row`), `reason` and `raw`. An
    earlier file of bad rows is replaced, or removed if no row is bad. Without a file, bad rows are an error.

    Args:
        source: name of the source in messages.
        unit: unit of places, counted from 1: `line` in text files, `row` elsewhere.
        path: the file for bad rows.

    Raises:
        DatasetError: there are bad rows, and `path` is None.
        StorageError: the file cannot be written, or contains something other than bad rows.
    """

    def __init__(self, source: str, unit: str, path: str | Path | None) -> None:
        self.source = source
        self.count = 0
        self.path = None if path is None else Path(path)
        self._unit = unit
        self._named: list[str] = []
        self._writing = ExitStack()
        self._file: TextIO | None = None

    def add(self, place: int, reason: str, raw: str | Mapping[str, object]) -> None:
        """Add a bad row: its place, the reason, and its text or its values by column."""
        self.count += 1
        if len(self._named) < NAMED:
            self._named.append(f"{self._unit} {place}: {printable(reason)}")
        if self.path is None:
            return
        if isinstance(raw, str):
            content: object = printable(raw.rstrip("\r\n"))
        else:
            content = {name: None if value is None else printable(str(value)) for name, value in raw.items()}
        row = {self._unit: place, "reason": printable(reason), "raw": content}
        try:
            if self._file is None:
                self._file = self._writing.enter_context(replacing_file(self.path))
            self._file.write(json.dumps(row, ensure_ascii=False) + "\n")
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def __enter__(self) -> Rejects:
        if self.path is not None and not _replaceable(self.path):
            raise StorageError(f"{self.path} contains something other than bad rows: choose another file, or remove it")
        return self

    def __exit__(self, kind: type[BaseException] | None, exception: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None and self.count and self.path is None:
            raise DatasetError(
                f"{self._summary()}; correct {'it' if self.count == 1 else 'them'}, or set bad rows aside with "
                'rejects="bad.jsonl" of Dataset.read (--rejects bad.jsonl on the command line)'
            )
        self._writing.__exit__(kind, exception, trace)
        if kind is not None or self.path is None:
            return
        if self.count:
            logger.warning("%s; set aside in %s", self._summary(), self.path)
        elif self.path.is_file():
            try:
                self.path.unlink()
            except OSError as error:
                raise _unwritable(self.path, error) from error

    def _summary(self) -> str:
        more = f"; and {self.count - NAMED} more" if self.count > NAMED else ""
        return f"{self.source} has {self.count} bad row{'s' * (self.count > 1)}: {'; '.join(self._named)}{more}"


def short(value: object) -> str:
    """Quote a value for a message: on one line, cut after 20 characters."""
    shown = repr(value)
    return shown if len(shown) <= 22 else f"{shown[:21]}…"


def _replaceable(path: Path) -> bool:
    """Whether `path` does not exist, is empty, or was written by `Rejects`."""
    if not path.is_file():
        return not path.is_dir()
    try:
        with path.open("rb") as file:
            first = file.readline()
        return not first or {"reason", "raw"} <= json.loads(first).keys()
    except (OSError, ValueError, AttributeError, RecursionError):
        return False


def _unwritable(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"cannot write {path} ({error.strerror or error}): choose a file in a writable folder on a disk with free space"
    )
