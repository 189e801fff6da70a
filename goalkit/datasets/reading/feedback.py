"""Read the feedback of an app's users on predictions. docs/data.md has the format."""

from __future__ import annotations

import logging
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from goalkit.datasets.reading.encodings import TextFile
from goalkit.datasets.reading.gathering import row_problem
from goalkit.datasets.reading.jsonlines import json_objects
from goalkit.datasets.reading.rejects import Rejects, short
from goalkit.errors import DatasetError
from goalkit.tasks import Task

USEFUL, WRONG = "useful", "wrong"

logger = logging.getLogger(__name__)


def read_feedback(path: Path, tasks: Sequence[Task], *, rejects: str | Path | None) -> tuple[list[str], dict[str, list[str]]]:
    """Return the N texts for which feedback gives labels of all `tasks`, and for each task the N labels.

    Only the latest feedback on a text counts. Its labels are those that the user gave and, if the user called the prediction
    useful, the predicted ones for the other tasks. The number of skipped entries is logged.

    Raises:
        DatasetError: the file cannot be read, has malformed lines and `rejects` is None, or gives no text all labels.
        StorageError: `rejects` cannot be written.
    """
    latest: dict[str, tuple[datetime, str, dict[str, str] | str]] = {}
    skipped = Counter({"older": 0, "wrong": 0, "incomplete": 0})
    with Rejects(str(path), "line", rejects) as bad:
        for number, entry, line in json_objects(TextFile.of(path, "utf-8"), bad):
            if reason := _problem(entry, tasks):
                bad.add(number, reason, line)
                continue
            time, text = _time(entry["time"]), entry["text"]
            key = unicodedata.normalize("NFC", " ".join(text.split()))
            if key in latest:
                skipped["older"] += 1
                if time < latest[key][0]:
                    continue
                del latest[key]
            latest[key] = time, text, _labels(entry, tasks)
    taught = {text: labels for _, text, labels in latest.values() if not isinstance(labels, str)}
    skipped.update(labels for _, _, labels in latest.values() if isinstance(labels, str))
    logger.info(
        "%s labels %d texts; skipped: %d entries superseded by later ones, %d texts only rated wrong, %d without all labels",
        path,
        len(taught),
        skipped["older"],
        skipped["wrong"],
        skipped["incomplete"],
    )
    if not taught:
        raise DatasetError(
            f"{path} has no text with all labels: {skipped['wrong']} texts are only rated wrong, {skipped['incomplete']} lack "
            f"a label of {', '.join(task.name for task in tasks)}: collect more feedback, or choose fewer tasks"
        )
    return list(taught), {task.name: [labels[task.name] for labels in taught.values()] for task in tasks}


def _labels(entry: Mapping[str, Any], tasks: Sequence[Task]) -> dict[str, str] | str:
    """Return the labels of all tasks, or why there are none: `wrong` or `incomplete`."""
    given = entry.get("label", {})
    known = {**entry["predicted"], **given} if entry.get("rating") == USEFUL else given
    if all(task.name in known for task in tasks):
        return {task.name: known[task.name] for task in tasks}
    return "incomplete" if given or entry.get("rating") == USEFUL else "wrong"


def _problem(entry: Mapping[str, Any], tasks: Sequence[Task]) -> str | None:
    """Return why an entry is malformed, or None if it is not."""
    required = ("text", "bundle", "time")
    if reason := row_problem(dict.fromkeys(required), [entry.get(key) for key in required]):
        return reason
    try:
        _time(entry["time"])
    except ValueError:
        return f"the time is {short(entry['time'])}, not in ISO 8601 such as 2026-03-01T07:30:00Z"
    if "label" not in entry and "rating" not in entry:
        return "neither label nor rating"
    if entry.get("rating", USEFUL) not in (USEFUL, WRONG):
        return f"the rating is {short(entry['rating'])}, not one of {USEFUL}, {WRONG}"
    for key, labels in (("predicted", entry.get("predicted")), ("label", entry.get("label", {}))):
        if not isinstance(labels, dict):
            return f"the {key} is {short(labels)}, not an object with a label for each task"
        admitted = {task.name: task.labels for task in tasks if task.name in labels}
        counts = key == "label" or entry.get("rating") == USEFUL  # an old bundle may predict labels that no longer exist
        if counts and (reason := row_problem(admitted, [labels[name] for name in admitted])):
            return f"in {key}, {reason}"
    return None


def _time(written: str) -> datetime:
    """Parse a time, in UTC if it has no offset. Raises ValueError if it is not one."""
    time = datetime.fromisoformat(written)
    return time if time.tzinfo else time.replace(tzinfo=UTC)
