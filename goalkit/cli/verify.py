"""`goalkit verify`."""

from __future__ import annotations

from pathlib import Path

import click

from goalkit.cli.options import BUNDLE, data_options, load_scored


@click.command(
    "verify",
    epilog="""\b
Examples:
  goalkit verify
  goalkit verify build/GoalAnalyzer --reference build/model
  goalkit verify build/topics --data titles.csv --text title --label topic""",
)
@click.argument("bundle", type=click.Path(path_type=Path), default=BUNDLE)
@data_options
@click.option("--model", type=click.Path(path_type=Path), help="The model that was exported: parity is measured against it.")
@click.option("--reference", type=click.Path(path_type=Path), help="The uncompressed model: fidelity is measured against it.")
def command(
    bundle: Path,
    data: Path | None,
    text: str,
    labels: tuple[str, ...],
    encoding: str,
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
    test = load_scored(data, text, labels, encoding, rejects, tasks=opened.tasks, seed=seed)
    report = opened.verify(test.texts, test.labels, reference=GoalModel.load(reference) if reference else None)
    show_verification(report)
    show_scored(test.tasks, opened.tasks)
    raise SystemExit(0 if report.passed else 3)
