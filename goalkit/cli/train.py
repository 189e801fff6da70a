"""`goalkit train`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from goalkit.cli.options import (
    MODEL_PATH,
    ColumnOptions,
    data_options,
    load_splits,
    model_options,
    read_trainer,
    trainer_options,
)
from goalkit.cli.paths import Writes


def _default_run(context: click.Context, parameter: click.Parameter, run: Path | None) -> Any:
    if run is not None:
        return run
    output: Path = context.params["output"]
    return parameter.type.convert(output.with_name(f"{output.name}-run"), parameter, context)


@click.command(
    "train",
    epilog="""\b
Examples:
  goalkit train
  goalkit train --resume
  goalkit train --data goals.csv --label category --label difficulty
  goalkit train --data titles.csv --text title --label topic --epochs 5 --output build/topics
  goalkit train --data backup.csv --text Title --label "List Name=category"
  goalkit train --backbone bert-base-chinese --checkpoint ./bert-base-chinese --learning-rate 2e-5
  goalkit train --backbone bert-base-chinese --checkpoint ./bert-base-chinese --data few.csv --few-labels frozen
  torchrun --nproc-per-node 2 -m goalkit.cli train""",
)
@data_options
@model_options
@trainer_options
@click.option(
    "--few-labels",
    type=click.Choice(["frozen", "contrastive"]),
    help="For 8 to 500 labelled texts and a --checkpoint: freeze the encoder, or fine-tune it contrastively.",
)
@click.option("--output", type=Writes(), default=MODEL_PATH, show_default=True, help="Folder for the model.")
@click.option(
    "--run",
    type=Writes("log.jsonl", "checkpoint", "tensorboard"),
    callback=_default_run,
    help="Folder for log and checkpoint.  [default: next to the model]",
)
@click.option("--resume", is_flag=True, help="Resume an interrupted run from its checkpoint.")
@click.option("--tensorboard", is_flag=True, help="Also write TensorBoard event files.")
def command(
    data: Path | None,
    columns: ColumnOptions,
    rejects: Path | None,
    seed: int,
    backbone: str,
    checkpoint: str | None,
    own_vocabulary: bool,
    settings: Path | None,
    few_labels: str | None,
    output: Path,
    run: Path,
    resume: bool,
    tensorboard: bool,
    **options: Any,
) -> None:
    """Train a model on labelled texts: 70 % for training, 15 % to select the best epoch, 15 % for testing."""
    from goalkit.cli.reports import show_epochs, show_scores
    from goalkit.cli.tables import console
    from goalkit.evaluation import evaluate
    from goalkit.model import GoalModel
    from goalkit.storage import MODEL, check_replaceable
    from goalkit.training import FewLabelsTrainer
    from goalkit.training.locking import only_training
    from goalkit.training.processes import Processes

    context, processes = click.get_current_context(), Processes.current()
    without = {"contrastive": ("settings", *options), "frozen": ("settings", *options, "run", "resume", "tensorboard")}
    unused = [
        f"--{name.replace('_', '-')}"
        for name in without.get(few_labels or "", ())
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT
    ]
    if unused:
        raise click.UsageError(f"--few-labels {few_labels} does not use these options: leave out {', '.join(unused)}")
    context.with_resource(only_training(output, processes, outside=True))
    if processes.first:
        check_replaceable(output, MODEL)
    trainer = read_trainer(settings, seed, options)
    splits = load_splits(data, columns, rejects, seed)
    texts = splits.train.texts if own_vocabulary else None
    tasks = splits.train.tasks
    model = GoalModel.from_backbone(backbone, tasks=tasks, vocabulary_from=texts, checkpoint=checkpoint, seed=seed)
    if few_labels:
        kept: dict[str, Any] = {"folder": run, "resume": resume, "tensorboard": tensorboard}
        few = FewLabelsTrainer(tuning=few_labels, seed=seed).fit(
            model, splits.train.extend(splits.validation), **(kept if few_labels == "contrastive" else {})
        )
        if not processes.first:
            return
        few.save(output)
        show_scores(f"{len(splits.test)} test texts", evaluate(few.model, splits.test))
        console.print(f"model: {output}\nnext:  goalkit export {output}")
        return
    finished = trainer.fit(model, splits, folder=run, resume=resume, tensorboard=tensorboard)
    if not processes.first:
        return
    finished.save(output)
    show_epochs(finished)
    show_scores(f"{len(splits.test)} test texts, epoch {finished.best_epoch}", evaluate(finished.model, splits.test))
    console.print(f"model: {output}\nlog:   {run / 'log.jsonl'}\nnext:  goalkit export {output}")
