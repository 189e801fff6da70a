"""`goalkit export`."""

from __future__ import annotations

from pathlib import Path

import click

from goalkit.cli.options import BUNDLE_PATH
from goalkit.cli.paths import Reads, Writes

RECIPES = ["int8", "palette6", "palette4", "none"]


@click.command(
    "export",
    epilog="""\b
Examples:
  goalkit export build/model
  goalkit export build/model --recipe none --precision float32 --output build/exact
  goalkit export build/model --head category --head difficulty --sequence-length 32""",
)
@click.argument("model", type=Reads())
@click.option("--output", type=Writes(), default=BUNDLE_PATH, show_default=True, help="Folder for the bundle.")
@click.option("--recipe", type=click.Choice(RECIPES), default="int8", show_default=True, help="Compression.")
@click.option("--head", "heads", multiple=True, help="Task with an updatable head; repeat it.  [default: every task]")
@click.option(
    "--sequence-length", type=click.IntRange(3), default=64, show_default=True, help="Tokens each text is padded or cut to."
)
@click.option(
    "--target", type=click.Choice(["iOS16", "iOS17", "iOS18"]), default="iOS16", show_default=True, help="The oldest system."
)
@click.option("--precision", type=click.Choice(["float16", "mixed", "float32"]), default="float16", show_default=True)
def command(
    model: Path, output: Path, recipe: str, heads: tuple[str, ...], sequence_length: int, target: str, precision: str
) -> None:
    """Compress a trained model, write a Core ML bundle, and execute it on the shipped goals."""
    from goalkit.cli.reports import show_verification
    from goalkit.cli.tables import console
    from goalkit.compress import Compressor
    from goalkit.export import CoreMLExporter, UpdatableHeadBuilder
    from goalkit.export.golden import golden_texts
    from goalkit.model import GoalModel
    from goalkit.storage import BUNDLE, check_replaceable

    check_replaceable(output, BUNDLE)
    exporter = CoreMLExporter(sequence_length=sequence_length, deployment_target=target, precision=precision)
    original = GoalModel.load(model)
    smaller = original if recipe == "none" else Compressor.from_recipe(recipe).compress(original).model
    chosen = heads or [task.name for task in smaller.tasks]
    bundle = exporter.export(smaller, output, heads=[UpdatableHeadBuilder(task=task).build(smaller) for task in chosen])
    report = bundle.verify(golden_texts(), reference=original)
    bundle.record(report)
    show_verification(report)
    console.print(f"bundle: {output}\nnext:   goalkit predict --bundle {output} 今晚跑五公里")
    raise SystemExit(0 if report.passed else 3)
