"""`goalkit compress`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from goalkit.cli.distil import read_layers
from goalkit.cli.options import MODEL_PATH, ColumnOptions, data_options, load_model_splits
from goalkit.cli.paths import Reads, Writes
from goalkit.cli.recipes import NO_RECIPE, RecipeType
from goalkit.cli.train import next_to_output

COMPRESSED_PATH = MODEL_PATH.with_name("compressed")
BOUNDS = ("size_mb", "min_agreement", "min_accuracy")


@click.command(
    "compress",
    epilog="""\b
Examples:
  goalkit compress build/model --recipe palette4
  goalkit compress build/model --recipe recipe.json --output build/small
  goalkit compress build/model --size-mb 5
  goalkit compress build/model --size-mb 5 --min-agreement 0.98 --data goals.csv
  goalkit compress build/model --min-accuracy 0.85 --target iOS18 --trials 40
  goalkit compress build/model --size-mb 2 --layers 0,3 --layers 0,1,3
  goalkit export build/compressed --recipe none""",
)
@click.argument("model", type=Reads())
@data_options
@click.option(
    "--recipe",
    type=RecipeType(),
    metavar="NAME|FILE",
    help="Compress with int8, int8-gptq, palette6, palette4, w8a8, the name of a technique, or a JSON file of techniques.",
)
@click.option("--size-mb", type=click.FloatRange(0, min_open=True), help="Largest package, in megabytes of a million bytes.")
@click.option(
    "--min-agreement", type=click.FloatRange(0, 1), help="Least share of texts, for each task, with the original's label."
)
@click.option("--min-accuracy", type=click.FloatRange(0, 1), help="Least accuracy, mean over tasks.")
@click.option("--trials", type=click.IntRange(1), help="Number of recipes to try within a budget.  [default: 24]")
@click.option(
    "--layers",
    multiple=True,
    callback=read_layers,
    metavar="NUMBERS",
    help="Layers, from 0, to keep by distillation, such as 0,3, as an alternative to all; repeat it. It is slow.",
)
@click.option(
    "--target", type=click.Choice(["iOS16", "iOS17", "iOS18"]), default="iOS16", show_default=True, help="The oldest system."
)
@click.option("--output", type=Writes(), default=COMPRESSED_PATH, show_default=True, help="Folder for the compressed model.")
@click.option(
    "--run",
    type=Writes("study.journal", "trials", "front.json", "front.svg"),
    callback=next_to_output,
    help="Folder for the trials, from which a search is resumed, its table and plot.  [default: next to the output]",
)
def command(
    model: Path,
    data: Path | None,
    columns: ColumnOptions,
    rejects: Path | None,
    seed: int,
    recipe: str | Path | None,
    target: str,
    output: Path,
    run: Path,
    **options: Any,
) -> None:
    """Compress a trained model with a recipe, or search for the best one within a budget.

    Within a size, the most accurate model is chosen, otherwise the smallest. Accuracy and agreement are those of the validation
    texts (15 %, split as in `goalkit train`); the size is that of the exported package.
    """
    from goalkit.cli.reports import show_budget, show_compression
    from goalkit.cli.tables import console
    from goalkit.compress import Compressor
    from goalkit.compress.budget import TRIALS
    from goalkit.export import CoreMLExporter
    from goalkit.model import GoalModel
    from goalkit.storage import MODEL, check_replaceable

    given = {name: value for name, value in options.items() if value not in (None, ())}
    if (recipe is None) == (not given.keys() & set(BOUNDS)) or (recipe is not None and given) or recipe == NO_RECIPE:
        raise click.UsageError("give either a recipe or a budget: --recipe, or --size-mb, --min-agreement or --min-accuracy")
    check_replaceable(output, MODEL)
    original = GoalModel.load(model)
    splits = load_model_splits(data, columns, rejects, tasks=original.tasks, seed=seed)
    exporter = CoreMLExporter(sequence_length=min(64, original.encoder.max_length), deployment_target=target)
    if recipe is None:
        budget = Compressor.within(deployment_target=target, **given)
        found = budget.compress(original, splits, folder=run, measure=exporter.package_bytes, seed=seed)
        found.save(run)
        found.compression.save(output, records={"budget.json": found.to_dict()})
        show_budget(budget, found)
        console.print(f"table:  {run / 'front.json'}\nplot:   {run / 'front.svg'}")
    else:
        made = Compressor.from_recipe(recipe).compress(original, splits, folder=run / TRIALS, seed=seed)
        package_bytes = exporter.package_bytes(made.model)
        made.save(output)
        show_compression(made, package_bytes)
    console.print(f"model:  {output}\nnext:   goalkit export {output} --recipe none --target {target}")
