"""Read JSON lines (https://jsonlines.org) with their line numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from goalkit.datasets.reading.columns import Row, find_columns, listed
from goalkit.datasets.reading.encodings import TextFile
from goalkit.datasets.reading.rejects import Rejects, short


def json_objects(file: TextFile, rejects: Rejects) -> Iterator[tuple[int, dict[str, Any], str]]:
    """Yield number, object and text of each line. Blank lines are skipped; lines that are not JSON objects go to `rejects`.

    An invalid last line without a line end is reported as cut off.
    """
    for number, line in enumerate(file.lines(), 1):
        if not line.strip():
            continue
        reason = file.undecodable(line)
        value: Any = None
        if not reason:
            try:
                value = json.loads(line)
            except json.JSONDecodeError as error:
                reason = f"not JSON ({error.msg} at character {error.pos + 1})"
            except (ValueError, RecursionError):
                reason = "unreadable JSON (a number is too long, or the nesting too deep)"
        if reason and not line.endswith(("\n", "\r")):
            reason = f"cut off: the file ends in the middle of this line, after {len(line)} characters"
        elif not reason and not isinstance(value, dict):
            reason = f"{short(value)} is not a JSON object"
        if reason:
            rejects.add(number, reason, line)
        else:
            yield number, value, line


def json_rows(file: TextFile, names: Sequence[str], rejects: Rejects) -> Iterator[Row]:
    """Yield each object as a row with its keys as columns. Raises MissingColumnError for a key that no line has."""
    keys: dict[str, None] = {}
    for number, value, line in json_objects(file, rejects):
        keys |= dict.fromkeys(value)
        if missing := [name for name in names if name not in value]:
            rejects.add(number, f"no {', '.join(missing)}; its keys are {listed(value)}", line)
        else:
            yield Row(number, [value[name] for name in names], line, list(value), list(value.values()))
    if keys:
        find_columns(str(file.path), list(keys), names)
