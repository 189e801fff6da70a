"""Collect rows into columns, and check each row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from numbers import Number
from pathlib import Path

import attrs
import pyarrow as pa
from tqdm.auto import tqdm

from goalkit.datasets.reading.columns import Columns, LabelColumn
from goalkit.datasets.reading.encodings import is_unicode
from goalkit.datasets.reading.rejects import Rejects, short
from goalkit.datasets.reading.sources import BATCH, Source
from goalkit.datasets.spelling import bare, label_of
from goalkit.errors import DatasetError

_SHOWN = 10
"""Maximum number of unnamed values that a message lists."""

Record = tuple[Sequence[str], Sequence[object]]
"""The column names and the values of a row."""


@attrs.frozen
class Gathered:
    """The good rows of a source.

    Args:
        texts: N strings.
        labels: for each task its N labels, spelled as in the source.
        records: the N rows with all columns, if the source provides them.
    """

    texts: pa.ChunkedArray
    labels: dict[str, pa.ChunkedArray]
    records: list[Record]


def gather(source: Source, asked: Columns, *, merge_labels: bool, rejects: str | Path | None) -> Gathered:
    """Return the texts and labels of a source without its bad rows.

    Args:
        source: the source to read.
        asked: the columns to read.
        merge_labels: accept labels that differ from those of their task by case, width or spaces.
        rejects: a file for bad rows; if None, bad rows are an error.

    Raises:
        DatasetError: the source cannot be read, has bad rows and `rejects` is None, or has no good rows.
        StorageError: `rejects` cannot be written.
    """
    names = asked.names
    admitted = {asked.text: None, **{column.name: column.admitted for column in asked.labels}}
    chunks: dict[str, list[pa.Array]] = {name: [] for name in names}
    batch: list[Sequence[object]] = []
    records: list[Record] = []
    nameless = [Counter[str]() for _ in asked.labels]

    def flush() -> None:
        for name, column in zip(names, zip(*batch, strict=True), strict=False):
            chunks[name].append(pa.array(column, pa.string()))
        batch.clear()

    with Rejects(source.name, source.unit, rejects) as bad:
        for row in tqdm(source.rows(names, bad), f"reading {source.name}", unit=" rows", delay=1, leave=False):
            text, *given = row.values
            labels = [column.named(value) for column, value in zip(asked.labels, given, strict=True)]
            if reason := row_problem(admitted, [text, *labels], merge_labels=merge_labels):
                bad.add(row.place, reason, dict(zip(names, row.values, strict=True)) if row.raw is None else row.raw)
                for column, value, counts in zip(asked.labels, labels, nameless, strict=True):
                    counts.update([short(value)] if _is_nameless(column, value) else [])
                continue
            batch.append([text, *labels])
            if source.whole:
                records.append((row.columns, row.fields))
            if len(batch) == BATCH:
                flush()
        flush()
        if rejects is None:
            for column, counts in zip(asked.labels, nameless, strict=True):
                _refuse_nameless(source.name, column, counts)
    texts, *columns = (pa.chunked_array(chunks[name], pa.string()) for name in names)
    if not len(texts):
        aside = f" but the {bad.count} bad one(s) in {bad.path}" if bad.count else ""
        raise DatasetError(f"{source.name} has no rows{aside}: add texts with labels")
    return Gathered(texts, dict(zip(asked.task_names, columns, strict=True)), records)


def row_problem(
    admitted: Mapping[str, tuple[str, ...] | None], values: Sequence[object], *, merge_labels: bool = False
) -> str | None:
    """Return why `values`, one per name in `admitted`, are not a valid row, or None. Labels of None accept any string."""
    for (name, allowed), value in zip(admitted.items(), values, strict=True):
        if value is None:
            return f"no {name}"
        if not isinstance(value, str):
            return f"the {name} is {short(value)}, not a string"
        if not value.strip():
            return f"the {name} is empty"
        if not is_unicode(value):
            return f"the {name} contains half a surrogate pair, which is not valid Unicode"
        if allowed is not None and label_of(value, allowed, merge=merge_labels) is None:
            return f"the {name} is {short(value)}, not one of {', '.join(allowed)}"
    return None


def _is_nameless(column: LabelColumn, value: object) -> bool:
    """Whether a value needs a name: a number, or a value that `rename` does not cover."""
    if isinstance(value, str):
        return bool(column.names and bare(value)) and bare(value) not in column.names.values()
    return isinstance(value, Number)


def _refuse_nameless(source: str, column: LabelColumn, counts: Counter[str]) -> None:
    if not counts:
        return
    task, value = column.task_name, next(iter(counts))
    shown = ", ".join(f"{value} ({rows:,} row{'s' * (rows > 1)})" for value, rows in counts.most_common(_SHOWN))
    more = f" and {len(counts) - _SHOWN:,} more" if len(counts) > _SHOWN else ""
    raise DatasetError(
        f"{source} has values in {column.name} without a name as labels of {task}: {shown}{more}; name each with "
        f'rename={{"{task}": {{{value}: ...}}}} (--rename {task}:{value}=... on the command line), or set their rows '
        'aside with rejects="bad.jsonl" (--rejects bad.jsonl)'
    )
