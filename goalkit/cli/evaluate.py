"""`goalkit evaluate`."""

from __future__ import annotations

from pathlib import Path

import click

from goalkit.cli.options import MODEL_PATH, ColumnOptions, data_options, load_scored
from goalkit.cli.paths import Reads, Writes


@click.command(
    "evaluate",
    epilog="""\b
Examples:
  goalkit evaluate
  goalkit evaluate build/model --output report.json
  goalkit evaluate build/model --data mine.csv --all""",
)
@click.argument("model", type=Reads(), default=MODEL_PATH)
@data_options
@click.option("--all", "everything", is_flag=True, help="Use all texts of a file unseen in training, not only its test part.")
@click.option("--mistakes", type=click.IntRange(0), default=5, show_default=True, help="Number of confident mistakes to show.")
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
    """Evaluate a model on the test texts (15 %, split as in `goalkit train`).

    Reports accuracy and macro-F1 with 95 % intervals, scores per label, the confusion matrix, calibration error, the most
    confident mistakes, speed and size. The texts need labels for at least one of the model's tasks.
    """
    from goalkit.cli.reports import show_evaluation, show_scored
    from goalkit.evaluation import evaluation_report
    from goalkit.model import GoalModel

    loaded = GoalModel.load(model)
    if everything and data is None:
        raise click.UsageError("the model was trained on the shipped goals: give other texts with --data, or leave out --all")
    rows = load_scored(data, columns, rejects, tasks=loaded.tasks, seed=None if everything else seed)
    report = evaluation_report(loaded, rows, mistakes=mistakes, seed=seed)
    show_evaluation(report)
    show_scored(rows.tasks, loaded.tasks)
    if output is not None:
        report.save(output)
