"""`goalkit verify`."""

from __future__ import annotations

from pathlib import Path

import click

from goalkit.cli.options import BUNDLE_PATH, ColumnOptions, data_options, load_scored
from goalkit.cli.paths import Reads


@click.command(
    "verify",
    epilog="""\b
Examples:
  goalkit verify
  goalkit verify build/GoalAnalyzer --reference build/model
  goalkit verify build/topics --data titles.csv --text title --label topic""",
)
@click.argument("bundle", type=Reads(), default=BUNDLE_PATH)
@data_options
@click.option("--model", type=Reads(), help="The model that was exported: parity is measured against it.")
@click.option("--reference", type=Reads(), help="The uncompressed model: fidelity is measured against it.")
def command(
    bundle: Path,
    data: Path | None,
    columns: ColumnOptions,
    rejects: Path | None,
    seed: int,
    model: Path | None,
    reference: Path | None,
) -> None:
    """Execute a bundle's files on the test texts (15 %, split as `goalkit train` does), and check every gate.

    The exit code is 3 if a gate fails.
    """
    from goalkit.cli.reports import show_scored, show_verification
    from goalkit.export import Bundle
    from goalkit.model import GoalModel

    opened = Bundle.open(bundle, source=GoalModel.load(model) if model else None)
    test = load_scored(data, columns, rejects, tasks=opened.tasks, seed=seed)
    report = opened.verify(test.texts, test.labels, reference=GoalModel.load(reference) if reference else None)
    show_verification(report)
    show_scored(test.tasks, opened.tasks)
    raise SystemExit(0 if report.passed else 3)
