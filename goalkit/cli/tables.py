"""Tables and messages for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

console = Console(highlight=False, markup=False)  # goals may contain [brackets]


def table(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]], *, figures: bool = True) -> None:
    """Print a table. The columns after the first are right-aligned if they are `figures`."""
    grid = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for number, heading in enumerate(headings):
        grid.add_column(heading, justify="right" if figures and number else "left", overflow="fold")
    for row in rows:
        grid.add_row(*row)
    console.print(grid)


def step(text: str) -> None:
    """Print the step that begins now."""
    console.print(f"→ {text}", style="cyan")


def percent(share: float | None) -> str:
    """Format a share as a percentage, or None as a dash."""
    return "–" if share is None else f"{share:.1%}"


def megabytes(count: int) -> str:
    """Format bytes as decimal megabytes."""
    return f"{count / 1e6:.2f} MB"
