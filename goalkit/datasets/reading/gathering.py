"""Rows into columns, each row held to what a row must be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
from tqdm.auto import tqdm

from goalkit.datasets.reading.encodings import is_unicode
from goalkit.datasets.reading.rejects import Rejects, short
from goalkit.datasets.reading.sources import BATCH, Source
from goalkit.errors import DatasetError
from goalkit.tasks import Task


def gather(
    source: Source, text: str, labels: Sequence[str | Task], *, rejects: str | Path | None
) -> dict[str, pa.ChunkedArray]:
    """The text column and the label columns of a source, strings all, without its bad rows.

    Args:
        source: what to read.
        text: the column of texts.
        labels: the label columns: a name admits any label, a `Task` only its own.
        rejects: a file for bad rows; without one they are an error.

    Raises:
        DatasetError: the source cannot be read, has bad rows and `rejects` is None, or has no good rows.
        StorageError: `rejects` cannot be written.
    """
    admitted: dict[str, Sequence[str] | None] = {text: None}
    for entry in labels:
        if isinstance(entry, Task):
            admitted[entry.name] = entry.labels
        else:
            admitted[entry] = None
    names = list(admitted)
    chunks: dict[str, list[pa.Array]] = {name: [] for name in names}
    batch: list[Sequence[object]] = []

    def flush() -> None:
        for name, column in zip(names, zip(*batch, strict=True), strict=False):
            chunks[name].append(pa.array(column, pa.string()))
        batch.clear()

    with Rejects(source.name, source.unit, rejects) as bad:
        rows = tqdm(source.rows(names, bad), f"reading {source.name}", unit=" rows", delay=1, leave=False)
        for place, values, raw in rows:
            if reason := fault_in(admitted, values):
                bad.add(place, reason, dict(zip(names, values, strict=True)) if raw is None else raw)
                continue
            batch.append(values)
            if len(batch) == BATCH:
                flush()
        flush()
    columns = {name: pa.chunked_array(arrays, pa.string()) for name, arrays in chunks.items()}
    if not len(columns[text]):
        aside = f" but the {bad.count} bad one(s) in {bad.path}" if bad.count else ""
        raise DatasetError(f"{source.name} has no rows{aside}: add texts with labels")
    return columns


def fault_in(admitted: Mapping[str, Sequence[str] | None], values: Sequence[object]) -> str | None:
    """Why `values`, one for each name, do not make a row, if they do not; None admits any string."""
    for (name, allowed), value in zip(admitted.items(), values, strict=True):
        if value is None:
            return f"no {name}"
        if not isinstance(value, str):
            return f"the {name} is {short(value)}, not a string"
        if not value.strip():
            return f"the {name} is empty"
        if not is_unicode(value):
            return f"the {name} has half a surrogate pair in it, which is not valid Unicode"
        if allowed is not None and value not in allowed:
            return f"the {name} is {short(value)}, not one of {', '.join(allowed)}"
    return None
