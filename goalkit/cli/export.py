"""`goalkit export`."""

from __future__ import annotations

from pathlib import Path

import click

from goalkit.cli.options import BUNDLE_PATH, read_lines
from goalkit.cli.paths import Reads, Writes
from goalkit.cli.recipes import NO_RECIPE, RecipeType


@click.command(
    "export",
    epilog="""\b
Examples:
  goalkit export build/model
  goalkit export build/model --recipe none --precision float32 --output build/exact
  goalkit export build/model --recipe recipe.json
  goalkit export build/model --head category --head difficulty --sequence-length 32
  goalkit export build/topics --golden titles.txt""",
)
@click.argument("model", type=Reads())
@click.option("--output", type=Writes(), default=BUNDLE_PATH, show_default=True, help="Folder for the bundle.")
@click.option(
    "--recipe",
    type=RecipeType(),
    metavar="NAME|FILE",
    default="int8",
    show_default=True,
    help="Compression: int8, palette6, palette4 or none, the name of a technique, or a JSON file of techniques.",
)
@click.option("--head", "heads", multiple=True, help="Task with an updatable head; repeat it.  [default: every task]")
@click.option(
    "--sequence-length", type=click.IntRange(3), default=64, show_default=True, help="Tokens each text is padded or cut to."
)
@click.option(
    "--target", type=click.Choice(["iOS16", "iOS17", "iOS18"]), default="iOS16", show_default=True, help="The oldest system."
)
@click.option("--precision", type=click.Choice(["float16", "mixed", "float32"]), default="float16", show_default=True)
@click.option(
    "--golden",
    type=Reads(),
    help="File with a text per line, to check the bundle on and to ship in it.  [default: shipped goals for a model of goals' "
    "tasks, else texts made up of the vocabulary]",
)
def command(
    model: Path,
    output: Path,
    recipe: str | Path,
    heads: tuple[str, ...],
    sequence_length: int,
    target: str,
    precision: str,
    golden: Path | None,
) -> None:
    """Compress a trained model, write a Core ML bundle, and execute it on the golden texts."""
    from goalkit.cli.reports import show_verification
    from goalkit.cli.tables import console
    from goalkit.compress import Compressor
    from goalkit.export import CoreMLExporter, UpdatableHeadBuilder
    from goalkit.export.texts import MADE_UP
    from goalkit.model import GoalModel
    from goalkit.storage import BUNDLE, check_replaceable

    check_replaceable(output, BUNDLE)
    texts = None if golden is None else read_lines(golden)
    exporter = CoreMLExporter(sequence_length=sequence_length, deployment_target=target, precision=precision)
    compressor = None if recipe == NO_RECIPE else Compressor.from_recipe(recipe)
    original = GoalModel.load(model)
    smaller = original if compressor is None else compressor.compress(original).model
    builders = [UpdatableHeadBuilder(task=task) for task in heads or [task.name for task in smaller.tasks]]
    bundle = exporter.export(smaller, output, heads=[each.build(smaller) for each in builders], golden=texts)
    made_up = MADE_UP in bundle.manifest.origin.golden  # what a compressed model says about them is no matter of quality
    report = bundle.verify(bundle.golden.texts, reference=None if made_up else original)
    bundle.record(report)
    show_verification(report)
    if made_up:
        console.print("  note: the texts were made up of the vocabulary: name yours with --golden", style="dim")
    console.print(f"bundle: {output}\nnext:   goalkit predict --bundle {output} 今晚跑五公里")
    raise SystemExit(0 if report.passed else 3)
