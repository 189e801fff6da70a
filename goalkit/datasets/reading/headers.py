"""The header of a table that may have other things before it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

import attrs

from goalkit.datasets.reading.columns import places_of

HEADER_LIMIT = 1_000
"""Lines or rows among which the header is looked for."""

logger = logging.getLogger(__name__)


@attrs.frozen
class Header:
    """The names of the columns.

    Args:
        place: the line or row where they stand, from 1.
        columns: the names.
        known: how many of those that were asked for are among them.
        skipped: records before it that hold something.
    """

    place: int
    columns: Sequence[str]
    known: int
    skipped: int


def find_header(records: Iterable[tuple[int, Sequence[str]]], names: Sequence[str]) -> Header | None:
    """The first record that has all of `names`, else the one with the most of them, then with the most fields, if any."""
    best = None
    for skipped, (place, fields) in enumerate(records):
        header = Header(place, fields, sum(map(bool, places_of(fields, names))), skipped)
        if best is None or (header.known, len(fields)) > (best.known, len(best.columns)):
            best = header
        if header.known == len(names):
            break
    return best


def warn_skipped(source: str, unit: str, header: Header) -> None:
    """Log that a table has something before its header."""
    if header.skipped:
        logger.warning("%s: the columns are named on %s %d; what stands before it is not read", source, unit, header.place)
