"""`goalkit evaluate`."""

from __future__ import annotations

from pathlib import Path

import click

from goalkit.cli.options import MODEL, ColumnOptions, data_options, load_scored
from goalkit.cli.paths import Reads, Writes


@click.command(
    "evaluate",
    epilog="""\b
Examples:
  goalkit evaluate
  goalkit evaluate build/model --output report.json
  goalkit evaluate build/model --data mine.csv --all""",
)
@click.argument("model", type=Reads(), default=MODEL)
@data_options
@click.option("--all", "everything", is_flag=True, help="All texts of a file that the model has never seen, not its test part.")
@click.option("--mistakes", type=click.IntRange(0), default=5, show_default=True, help="How many confident mistakes to show.")
@click.option("--output", type=Writes(), help="File for the report, as JSON.")
def command(
    model: Path,
    data: Path | None,
    columns: ColumnOptions,
    rejects: Path | None,
    seed: int,
    everything: bool,
    mistakes: int,
    output: Path | None,
) -> None:
    """Report how good a model is on the test texts (15 %, split as `goalkit train` does).

    Accuracy and macro-F1 with 95 % intervals, each label, what is mistaken for what, calibration, the most confident mistakes,
    speed and size. The texts need labels for one of the model's tasks, at least.
    """
    from goalkit.cli.reports import show_evaluation, show_scored
    from goalkit.evaluation import evaluation_report
    from goalkit.model import GoalModel

    loaded = GoalModel.load(model)
    if everything and data is None:
        raise click.UsageError("the model has learnt from the shipped goals: name a file of others with --data, or drop --all")
    rows = load_scored(data, columns, rejects, tasks=loaded.tasks, seed=None if everything else seed)
    report = evaluation_report(loaded, rows, mistakes=mistakes, seed=seed)
    show_evaluation(report)
    show_scored(rows.tasks, loaded.tasks)
    if output is not None:
        report.save(output)
