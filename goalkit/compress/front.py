"""Candidates of a search for a recipe, which of them no other one beats, and the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from goalkit.compress.compression import Compression
from goalkit.compress.recipes import Recipe
from goalkit.configuration import json_bytes, to_dict
from goalkit.extras import extra
from goalkit.model import GoalModel
from goalkit.storage import write_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def mean(by_task: Mapping[str, float]) -> float:
    """Return the mean of scores per task."""
    return sum(by_task.values()) / len(by_task)


@attrs.frozen(kw_only=True)
class Candidate:
    """A recipe that was tried, and the model that it makes.

    Args:
        recipe: the recipe.
        package_bytes: size of the model's package.
        measured: whether this is the size of a package that was exported, and not estimated.
        accuracies: accuracy on the validation rows, per task.
        agreements: share of validation texts with the label of the original model, per task.
    """

    recipe: Recipe
    package_bytes: int
    measured: bool = False
    accuracies: dict[str, float]
    agreements: dict[str, float]

    @property
    def accuracy(self) -> float:
        """Mean accuracy over the tasks."""
        return mean(self.accuracies)

    @property
    def agreement(self) -> float:
        """Agreement with the original model on the task on which it is lowest."""
        return min(self.agreements.values())

    def beats(self, other: Candidate) -> bool:
        """Whether this one is at least as good as another in size, accuracy and agreement, and better in one of them."""
        own, others = ((-each.package_bytes, each.accuracy, each.agreement) for each in (self, other))
        return own != others and all(one >= two for one, two in zip(own, others, strict=True))

    def __str__(self) -> str:
        size = f"{'' if self.measured else 'about '}{self.package_bytes / 1e6:.2f} MB"
        return f"{self.recipe}: {size}, accuracy {self.accuracy:.1%}, agreement {self.agreement:.1%}"


def pareto_front(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Return the candidates that no other one beats, the smallest first."""
    front = [each for each in candidates if not any(other.beats(each) for other in candidates)]
    return tuple(sorted(front, key=lambda each: each.package_bytes))


@attrs.frozen(kw_only=True)
class BudgetResult:
    """The best model within a budget, and the other candidates. All scores are of the validation rows.

    As the best of many candidates its scores are optimistic: report scores on the test rows instead.

    Args:
        compression: the best model, with its recipe and agreement.
        best: its candidate.
        candidates: all that were tried.
        bytes_before: estimated size of the package of the original model.
        accuracies_before: accuracy of the original model, per task.
    """

    compression: Compression
    best: Candidate
    candidates: tuple[Candidate, ...] = attrs.field(repr=lambda candidates: f"<{len(candidates)} candidates>")
    bytes_before: int
    accuracies_before: dict[str, float]

    @property
    def model(self) -> GoalModel:
        """The best model."""
        return self.compression.model

    @property
    def front(self) -> tuple[Candidate, ...]:
        """The candidates that no other one beats in size, accuracy and agreement, the smallest first."""
        return pareto_front(self.candidates)

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON-serialisable data: the original model, the best candidate and the front."""
        return {
            "original": {"package_bytes": self.bytes_before, "accuracies": self.accuracies_before},
            "best": to_dict(self.best),
            "front": [to_dict(each) for each in self.front],
            "tried": len(self.candidates),
        }

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Return the front as a table: recipe, size, accuracy and agreement of each candidate; `*` marks the best."""
        rows = [("(the original)", f"≈ {self.bytes_before / 1e6:.2f} MB", f"{mean(self.accuracies_before):.1%}", "")]
        for each in reversed(self.front):
            size = f"{'' if each.measured else '≈ '}{each.package_bytes / 1e6:.2f} MB"
            name = f"{each.recipe}{' *' if each == self.best else ''}"
            rows.append((name, size, f"{each.accuracy:.1%}", f"{each.agreement:.1%}"))
        return rows

    def table(self) -> str:
        """Return the front as text, with a line per candidate, the largest first."""
        rows = [("recipe", "package", "accuracy", "agreement"), *self.rows()]
        first, *widths = (max(map(len, column)) for column in zip(*rows, strict=True))
        return "\n".join(
            "  ".join([row[0].ljust(first), *(cell.rjust(width) for cell, width in zip(row[1:], widths, strict=True))]).rstrip()
            for row in rows
        )

    def save(self, folder: Path) -> None:
        """Write the figures and the plot, `front.json` and `front.svg`. Raises StorageError if they cannot be written."""
        with extra("train"):
            import matplotlib as mpl

        drawn = BytesIO()
        with mpl.rc_context({"svg.hashsalt": "goalkit"}):  # the same figure is the same file
            self.plot().savefig(drawn, format="svg", metadata={"Date": None})
        write_file(folder / "front.json", json_bytes(self.to_dict()))
        write_file(folder / "front.svg", drawn.getvalue())

    def plot(self) -> Figure:
        """Plot accuracy and agreement against the size of the package. Requires matplotlib."""
        with extra("train"):
            from matplotlib.figure import Figure

        figure = Figure(figsize=(9, 3.6), layout="constrained")
        for axes, measure in zip(figure.subplots(1, 2, sharex=True), ("accuracy", "agreement"), strict=True):
            for chosen, style in (
                (self.candidates, {"marker": "o", "color": "lightgray", "linestyle": "", "label": "tried"}),
                (self.front, {"marker": "o", "color": "tab:blue", "linestyle": "", "label": "front"}),
                ([self.best], {"marker": "*", "color": "tab:red", "linestyle": "", "markersize": 14, "label": "chosen"}),
            ):
                axes.plot([each.package_bytes / 1e6 for each in chosen], [getattr(each, measure) for each in chosen], **style)
            axes.set(xlabel="package, MB", ylabel=f"{measure} on the validation rows")
        axes.legend(frameon=False)
        return figure
