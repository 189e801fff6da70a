"""Lines of feedback, with the rows that Python makes of them."""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path
from typing import Any

from goalkit import Dataset
from goalkit.errors import DatasetError
from goalkit.export import Bundle
from goalkit.tasks import Task

TEXTS = (
    "每天跑步五公里",
    "每天  跑步五公里",
    "cafe\u0301",
    "café",
    "读书\t一小时",
    " 读书 一小时 ",
    "存钱",
    "e\u0301\u0323",
    '引号"和\\',
)


def feedback(bundle: Bundle) -> list[dict[str, Any]]:
    """Return random histories of feedback, and the labelled texts that `Dataset.from_feedback` finds in them."""
    generator = random.Random(0)
    found = []
    for _ in range(200):
        lines = [_line(generator, bundle) for _ in range(generator.randrange(1, 25))]
        chosen = generator.sample(bundle.tasks, generator.choice((1, 1, 3)))
        found.append({"lines": lines, "tasks": [task.name for task in chosen], "taught": _taught(lines, chosen)})
    return found


def _line(generator: random.Random, bundle: Bundle) -> str:
    entry: dict[str, Any] = {
        "text": generator.choice(TEXTS),
        "predicted": {task.name: generator.choice(task.labels) for task in bundle.tasks},
        "time": f"2026-03-01T07:30:{generator.randrange(20):02}Z",
        "bundle": bundle.manifest.identity,
    }
    kind = generator.randrange(4)
    if kind != 0:
        entry["rating"] = generator.choice(("useful", "wrong"))
    if kind in (0, 1):
        tasks = generator.sample(bundle.tasks, generator.randrange(1, 4))
        entry["label"] = {task.name: generator.choice(task.labels) for task in tasks}
    return json.dumps(entry, ensure_ascii=generator.random() < 0.5)


def _taught(lines: list[str], tasks: list[Task]) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "feedback.jsonl")
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        try:
            rows = Dataset.from_feedback(path, tasks=tasks)
        except DatasetError as error:
            if "has no text with all labels" not in str(error):
                raise
            return []
    columns = [rows.labels[task.name] for task in tasks]
    names = [task.name for task in tasks]
    return [
        {"text": text, "labels": dict(zip(names, labels, strict=True))}
        for text, *labels in zip(rows.texts, *columns, strict=True)
    ]
