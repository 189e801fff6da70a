"""The quality report, and its formats."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import attrs

from goalkit.configuration import json_bytes, to_dict
from goalkit.datasets.quality.figures import Combination, LabelFigures, Lengths
from goalkit.datasets.quality.limits import QualityLimits
from goalkit.errors import ConfigurationError, DatasetError
from goalkit.storage import write_file

SHOWN = 5
"""Default number of examples per check."""

_LONGEST_EXAMPLE = 48

Unit = Literal["share", "count", "number"]


@attrs.frozen
class Example:
    """An example of a check: shortened text, a note, and the row number from 1 (None if it is not a single row)."""

    text: str
    note: str = ""
    row: int | None = None

    @property
    def line(self) -> str:
        """The example in one line of plain text."""
        return f"{'' if self.row is None else f'row {self.row}: '}{self.text}  {self.note}".rstrip()


@attrs.frozen(kw_only=True)
class Check:
    """A measured value and its limit.

    `value` is None if it was not measured. `detail` describes what was found, or why it was not measured. `unit` is "share"
    for values from 0 to 1, "count" for integers and "number" for other values.
    """

    name: str
    value: float | None
    bound: Literal["at most", "at least"]
    limit: float
    unit: Unit
    detail: str
    examples: tuple[Example, ...] = ()

    @property
    def state(self) -> Literal["passed", "failed", "not measured"]:
        """Whether the value is within the limit."""
        if self.value is None:
            return "not measured"
        kept = self.value <= self.limit if self.bound == "at most" else self.value >= self.limit
        return "passed" if kept else "failed"

    @property
    def value_text(self) -> str:
        """The formatted value, or a dash if there is none."""
        return "–" if self.value is None else _figure(self.value, self.unit)

    @property
    def limit_text(self) -> str:
        """The formatted limit."""
        return f"{self.bound} {_figure(self.limit, self.unit)}"


@attrs.frozen
class Section:
    """A group of checks."""

    name: str
    checks: tuple[Check, ...]


@attrs.frozen(kw_only=True)
class QualityReport:
    """The result of `quality_report`. Equal data, settings and library versions give an equal report."""

    rows: int
    digest: str
    seed: int
    learned_from: int
    limits: QualityLimits
    sections: tuple[Section, ...]
    labels: tuple[LabelFigures, ...]
    combinations: tuple[Combination, ...]
    lengths: Lengths
    group_sizes: dict[int, int]
    remarks: tuple[str, ...]
    made_with: dict[str, str]

    @property
    def checks(self) -> tuple[Check, ...]:
        """All checks, in display order."""
        return tuple(check for section in self.sections for check in section.checks)

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that missed their limit."""
        return tuple(check for check in self.checks if check.state == "failed")

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return not self.failed

    @property
    def verdict(self) -> str:
        """The numbers of checks that passed, failed and were not measured, as one line."""
        states = [check.state for check in self.checks]
        counts = [f"{states.count(state)} {state}" for state in ("passed", "failed", "not measured") if state in states]
        return f"{len(states)} checks: {', '.join(counts)}"

    def raise_if_failed(self) -> None:
        """Raise DatasetError, which lists each failed check, if there are any."""
        if self.failed:
            missed = "; ".join(f"{check.name} is {check.value_text}, not {check.limit_text}" for check in self.failed)
            raise DatasetError(f"the data miss {len(self.failed)} limits: {missed}; fix the rows or set other QualityLimits")

    def text(self) -> str:
        """Return the report as aligned plain text, without charts."""
        table = [(each.state, each.name, each.value_text, each.limit_text) for each in self.checks]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [f"Data quality of {self.rows:,} rows", self.verdict, *self.remarks]
        for section in self.sections:
            lines += ["", section.name]
            for check in section.checks:
                state, name, limit = (
                    check.state.ljust(widths[0]),
                    check.name.ljust(widths[1]),
                    check.limit_text.ljust(widths[3]),
                )
                lines.append(f"  {state}  {name}  {check.value_text.rjust(widths[2])}  {limit}  {check.detail}")
                if check.state == "failed":
                    lines += [f"      {each.line}" for each in check.examples]
        return "\n".join(lines) + "\n"

    def html(self) -> str:
        """Return the report as a self-contained HTML page."""
        from goalkit.datasets.quality.page import render

        return render(self, self.labels, self.combinations, self.lengths)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-ready data."""
        data = to_dict(self)
        for section, shown in zip(self.sections, data["sections"], strict=True):
            for check, each in zip(section.checks, shown["checks"], strict=True):
                each["state"] = check.state
        return {"passed": self.passed, **data}

    def save(self, path: str | Path) -> Path:
        """Write the report atomically, as a page (.html) or as data (.json).

        Returns:
            The path.

        Raises:
            ConfigurationError: `path` has another suffix.
            StorageError: the file cannot be written.
        """
        path = Path(path)
        if path.suffix == ".html":
            write_file(path, self.html().encode())
        elif path.suffix == ".json":
            write_file(path, json_bytes(self.to_dict()))
        else:
            raise ConfigurationError(f"{path} ends in neither .html nor .json: choose one of the two")
        return path


def at_most(
    name: str, value: float | None, limit: float, detail: str, *, unit: Unit = "share", examples: Sequence[Example] = ()
) -> Check:
    """Return a check of a value with a maximum; None if it was not measured."""
    return Check(name=name, value=value, bound="at most", limit=limit, unit=unit, detail=detail, examples=tuple(examples))


def at_least(
    name: str, value: float | None, limit: float, detail: str, *, unit: Unit = "number", examples: Sequence[Example] = ()
) -> Check:
    """Return a check of a value with a minimum; None if it was not measured."""
    return Check(name=name, value=value, bound="at least", limit=limit, unit=unit, detail=detail, examples=tuple(examples))


def shortened(text: str) -> str:
    """Format a text for a table: escape control and invisible characters, and cut after 48 characters."""
    shown = "".join(each if unicodedata.category(each) not in {"Cc", "Cf", "Co"} else f"\\u{ord(each):04x}" for each in text)
    return shown if len(shown) <= _LONGEST_EXAMPLE else shown[: _LONGEST_EXAMPLE - 1] + "…"


def _figure(value: float, unit: Unit) -> str:
    return {"share": f"{value:.2%}", "count": f"{value:,.0f}", "number": f"{value:.3f}"}[unit]
