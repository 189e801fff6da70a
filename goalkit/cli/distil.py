"""`goalkit distil`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from goalkit.cli.options import MODEL_PATH, SEED, read_lines
from goalkit.cli.paths import Reads, Writes
from goalkit.cli.train import next_to_output

DISTILLED_PATH = MODEL_PATH.with_name("distilled")


def read_layers(context: click.Context, parameter: click.Parameter, given: Any) -> Any:
    """Return the numbers of layers of the option `--layers`, or of each of several; None if it was not given."""
    if given is None:
        return None
    if isinstance(given, tuple):
        return tuple(read_layers(context, parameter, each) for each in given)
    try:
        return tuple(int(number) for number in given.split(","))
    except ValueError as error:
        raise click.BadParameter(f"{given!r}: give numbers from 0, separated by commas, such as 0,3,7,11") from error


@click.command(
    "distil",
    epilog="""\b
Examples:
  goalkit distil build/large --texts sentences.txt
  goalkit distil build/large --texts sentences.txt --resume
  goalkit distil build/large --texts sentences.txt --layers 0,3,7,11 --output build/small
  goalkit train --checkpoint build/distilled""",
)
@click.argument("teacher", type=Reads())
@click.option("--texts", type=Reads(), required=True, help="File with a text per line; no labels are needed.")
@click.option("--backbone", help="Backbone of the student: see `goalkit backbones`.  [default: tiny-bert]")
@click.option(
    "--layers",
    callback=read_layers,
    metavar="NUMBERS",
    help="Layers of the teacher, from 0, that the student is made of, such as 0,3,7,11. It then has the teacher's backbone, "
    "vocabulary and widths.",
)
@click.option("--own-vocabulary", is_flag=True, help="Build the vocabulary of the student from the texts.")
@click.option("--epochs", type=click.IntRange(1), help="Passes over the texts.  [default: 2]")
@click.option("--learning-rate", type=float, help="Peak of the learning rate.  [default: 4e-4]")
@click.option("--batch-size", type=click.IntRange(2), help="Texts per batch.  [default: 64]")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of all random choices.")
@click.option("--output", type=Writes(), default=DISTILLED_PATH, show_default=True, help="Folder for the student.")
@click.option(
    "--run",
    type=Writes("log.jsonl", "checkpoint", "teacher"),
    callback=next_to_output,
    help="Folder for the teacher's embeddings, log and checkpoint.  [default: next to the student]",
)
@click.option("--resume", is_flag=True, help="Resume an interrupted run from its checkpoint.")
def command(
    teacher: Path,
    texts: Path,
    backbone: str | None,
    layers: tuple[int, ...] | None,
    own_vocabulary: bool,
    seed: int,
    output: Path,
    run: Path,
    resume: bool,
    **options: Any,
) -> None:
    """Distil the embeddings of a trained model into a smaller one, on texts without labels."""
    from goalkit.cli.tables import console
    from goalkit.model import GoalModel
    from goalkit.storage import MODEL, check_replaceable
    from goalkit.student import student_of
    from goalkit.training import Distiller

    if layers is not None and (own_vocabulary or backbone):
        raise click.UsageError("--layers takes over the teacher's backbone and vocabulary: leave the options for these out")
    check_replaceable(output, MODEL)
    lines = read_lines(texts)
    model = GoalModel.load(teacher)
    if layers is not None:
        student = student_of(model, layers)
    else:
        vocabulary = lines if own_vocabulary else None
        student = GoalModel.from_backbone(backbone or "tiny-bert", tasks=model.tasks, vocabulary_from=vocabulary, seed=seed)
    distiller = Distiller(seed=seed, **{name: value for name, value in options.items() if value is not None})
    finished = distiller.fit(student, lines, model, folder=run, resume=resume)
    finished.save(output)
    console.print(
        f"student: {output}, {finished.model.size_bytes() / 1e6:.1f} MB of {model.size_bytes() / 1e6:.1f} MB\n"
        f"log:     {run / 'log.jsonl'}\n"
        f"next:    goalkit train --backbone {student.configuration.backbone} --checkpoint {output}"
    )
