"""`goalkit profile`."""

from __future__ import annotations

from pathlib import Path

import click

from goalkit.cli.options import MODEL_PATH
from goalkit.cli.paths import Reads, Writes


@click.command(
    "profile",
    epilog="""\b
Examples:
  goalkit profile
  goalkit profile build/model --batch-size 32
  goalkit profile build/model --compare build/model-int8 --trace trace.json""",
)
@click.argument("model", type=Reads(), default=MODEL_PATH)
@click.option("--compare", type=Reads(), help="Another model to compare it with.")
@click.option("--batch-size", type=click.IntRange(1), default=1, show_default=True, help="Texts per batch.")
@click.option("--length", type=click.IntRange(3), default=64, show_default=True, help="Tokens to which every text is padded.")
@click.option("--output", type=Writes(), help="File for the first model's profile, as JSON.")
@click.option("--trace", type=Writes(), help="File for the first model's trace, for chrome://tracing or Perfetto.")
def command(model: Path, compare: Path | None, batch_size: int, length: int, output: Path | None, trace: Path | None) -> None:
    """Measure where a model spends its time on shipped goals, and show the bottleneck."""
    from goalkit.cli.reports import show_profiles
    from goalkit.extras import extra
    from goalkit.model import GoalModel

    with extra("train"):
        from goalkit.datasets import Dataset
        from goalkit.evaluation import profile

    texts = Dataset.goals().texts[:batch_size]
    profiles = {str(model): profile(GoalModel.load(model), texts, length=length, trace=trace)}
    if compare is not None:
        profiles[str(compare)] = profile(GoalModel.load(compare), texts, length=length)
    show_profiles(profiles)
    if output is not None:
        profiles[str(model)].save(output)
