"""The result of cleaning: changed texts and dropped rows."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import attrs

from goalkit.datasets.dataset import Dataset
from goalkit.storage import replacing_file


@attrs.frozen
class Change:
    """A change of a text by one step. `row` is counted from 1 in the original dataset."""

    row: int
    step: str
    before: str
    after: str


@attrs.frozen
class Dropped:
    """A dropped row: `empty`, `repeated`, `conflicting` (the same text, other labels) or `near-duplicate`.

    Args:
        row: its number in the original dataset, counted from 1.
        reason: one of the four above.
        other: the row that it repeats, contradicts or resembles; None if it is empty.
        text: the original text.
    """

    row: int
    reason: str
    other: int | None
    text: str


@attrs.frozen(eq=False)
class Cleaning:
    """A cleaned dataset and a record of all changes.

    Args:
        dataset: the remaining rows, in order.
        rows: number of rows before cleaning.
        changes: changes of texts, by row and step. Changes of parents are not included.
        dropped: the dropped rows, by row.
    """

    dataset: Dataset
    rows: int
    changes: tuple[Change, ...] = attrs.field(repr=lambda changes: f"<{len(changes)}>")
    dropped: tuple[Dropped, ...] = attrs.field(repr=lambda dropped: f"<{len(dropped)}>")

    @property
    def changed_by(self) -> dict[str, int]:
        """Number of texts that each step changed, without steps that changed none."""
        return dict(Counter(step for _, step in dict.fromkeys((each.row, each.step) for each in self.changes)))

    @property
    def dropped_for(self) -> dict[str, int]:
        """Number of dropped rows per reason."""
        return dict(Counter(each.reason for each in self.dropped))

    def summary(self) -> str:
        """Return one line with the rows kept, texts changed per step and rows dropped per reason."""
        changed, dropped = (
            ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"
            for counts in (self.changed_by, self.dropped_for)
        )
        return f"{len(self.dataset)} of {self.rows} rows kept; texts changed: {changed}; rows dropped: {dropped}"

    def save(self, path: str | Path) -> None:
        """Write changes and dropped rows, sorted by row, as JSON lines; a dropped row has `reason` where a change has `step`.

        Raises:
            StorageError: the file cannot be written. Its previous content is unchanged.
        """
        records: list[Change | Dropped] = sorted([*self.changes, *self.dropped], key=lambda each: each.row)
        with replacing_file(Path(path)) as file:
            file.writelines(json.dumps(attrs.asdict(each), ensure_ascii=False) + "\n" for each in records)
