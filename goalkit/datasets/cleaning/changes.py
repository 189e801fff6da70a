"""What a cleaning did: a record of each text that a step changed and of each row that was dropped."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import attrs

from goalkit.datasets.dataset import Dataset
from goalkit.storage import replacing_file


@attrs.frozen
class Change:
    """What one step did to one text. Rows are counted from 1, in the dataset that was cleaned."""

    row: int
    step: str
    before: str
    after: str


@attrs.frozen
class Dropped:
    """A row that was left out: `empty`, `repeated`, `conflicting` (the same text, other labels) or `near-duplicate`.

    Args:
        row: which one, counted from 1.
        reason: one of the four.
        other: the row that it repeats, contradicts or resembles; none if it is empty.
        text: as it was given.
    """

    row: int
    reason: str
    other: int | None
    text: str


@attrs.frozen(eq=False)
class Cleaning:
    """A cleaned dataset and how it came about.

    Args:
        dataset: the rows that stayed, in their order.
        rows: how many there were.
        changes: what the steps did, by row and in order; of texts only, though parents are cleaned by the same steps.
        dropped: the rows left out, by row.
    """

    dataset: Dataset
    rows: int
    changes: tuple[Change, ...] = attrs.field(repr=lambda changes: f"<{len(changes)}>")
    dropped: tuple[Dropped, ...] = attrs.field(repr=lambda dropped: f"<{len(dropped)}>")

    @property
    def changed_by(self) -> dict[str, int]:
        """For each step that changed something, in how many texts."""
        return dict(Counter(step for _, step in dict.fromkeys((each.row, each.step) for each in self.changes)))

    @property
    def dropped_for(self) -> dict[str, int]:
        """For each reason how many rows were dropped."""
        return dict(Counter(each.reason for each in self.dropped))

    def summary(self) -> str:
        """One line: rows kept, texts changed by each step, rows dropped for each reason."""
        changed, dropped = (
            ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"
            for counts in (self.changed_by, self.dropped_for)
        )
        return f"{len(self.dataset)} of {self.rows} rows kept; texts changed: {changed}; rows dropped: {dropped}"

    def save(self, path: str | Path) -> None:
        """Write changes and dropped rows, sorted by row, as JSON lines; a dropped row has `reason` where a change has `step`.

        Raises:
            StorageError: the file cannot be written. What stood there before still stands.
        """
        records: list[Change | Dropped] = sorted([*self.changes, *self.dropped], key=lambda each: each.row)
        with replacing_file(Path(path)) as file:
            file.writelines(json.dumps(attrs.asdict(each), ensure_ascii=False) + "\n" for each in records)
