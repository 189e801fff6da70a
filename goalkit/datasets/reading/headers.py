"""Find the header of a table, which may come after other records."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

import attrs

from goalkit.datasets.reading.columns import places_of

HEADER_LIMIT = 1_000
"""Number of lines or rows in which to look for the header."""

logger = logging.getLogger(__name__)


@attrs.frozen
class Header:
    """The header of a table.

    Args:
        place: its line or row, counted from 1.
        columns: the names of the columns.
        known: how many of the requested columns it has.
        skipped: number of non-empty records before it.
    """

    place: int
    columns: Sequence[str]
    known: int
    skipped: int


def find_header(records: Iterable[tuple[int, Sequence[str]]], names: Sequence[str]) -> Header | None:
    """Return the first record with all of `names`, else the one with the most of them, then with the most fields."""
    best = None
    for skipped, (place, fields) in enumerate(records):
        header = Header(place, fields, sum(map(bool, places_of(fields, names))), skipped)
        if best is None or (header.known, len(fields)) > (best.known, len(best.columns)):
            best = header
        if header.known == len(names):
            break
    return best


def warn_skipped(source: str, unit: str, header: Header) -> None:
    """Log a warning if a table has records before its header."""
    if header.skipped:
        logger.warning("%s: the header is on %s %d; earlier records are skipped", source, unit, header.place)
