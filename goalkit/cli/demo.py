"""`goalkit demo`."""

from __future__ import annotations

import time
from pathlib import Path

import click

from goalkit.cli.options import SEED
from goalkit.cli.paths import Writes

EPOCHS, LEARNING_RATE = 2, 3e-5
"""Less than the defaults: the pretrained weights and heads know the training part of the shipped goals already."""


@click.command(
    "demo",
    epilog="""\b
Examples:
  goalkit demo
  goalkit demo --output /tmp/goalkit --epochs 1""",
)
@click.option(
    "--output",
    type=Writes("model", "model-int8", "GoalAnalyzer", "demo.json"),
    default=Path("build"),
    show_default=True,
    help="Folder for all results.",
)
@click.option("--epochs", type=click.IntRange(1), default=EPOCHS, show_default=True, help="Maximum number of epochs.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="For the training; the split is always the same.")
def command(output: Path, epochs: int, seed: int) -> None:
    """Build a verified bundle from the shipped goals: the whole workflow in a few minutes."""
    from goalkit.cli.reports import show_verification
    from goalkit.cli.tables import console, megabytes, percent, step, table
    from goalkit.compress import Compressor
    from goalkit.configuration import json_bytes
    from goalkit.export import CoreMLExporter, UpdatableHeadBuilder
    from goalkit.extras import extra
    from goalkit.model import GoalModel
    from goalkit.storage import BUNDLE, MODEL, check_replaceable, write_file

    with extra("train"):
        from goalkit.datasets import Dataset
        from goalkit.evaluation import evaluate, ngram_baseline
        from goalkit.training import Trainer
        from goalkit.training.locking import only_training
        from goalkit.training.processes import Processes

    click.get_current_context().with_resource(only_training(output / "model", Processes.current(), outside=True))
    for name, kind in (("model", MODEL), ("model-int8", MODEL), ("GoalAnalyzer", BUNDLE)):
        check_replaceable(output / name, kind)
    start = time.perf_counter()
    splits = Dataset.goals().clean().split(seed=0)  # the pretrained weights have not seen the test part of this split
    sizes = [len(side) for side in (splits.train, splits.validation, splits.test)]
    step(f"{sum(sizes)} goals by a language model: {sizes[0]} for training, {sizes[1]} for validation, {sizes[2]} for testing")
    model = GoalModel.from_backbone("tiny-bert", tasks=splits.train.tasks, seed=seed)
    step(f"tiny-bert with {sum(each.numel() for each in model.parameters()) / 1e6:.1f} M pretrained weights")
    run = Trainer(epochs=epochs, learning_rate=LEARNING_RATE, seed=seed).fit(model, splits)
    run.save(output / "model")
    step("8-bit weights")
    small = Compressor.from_recipe("int8-gptq").compress(run.model, splits)
    small.save(output / "model-int8")
    step("Core ML package, updatable heads, golden files, hints")
    heads = [UpdatableHeadBuilder(task=task.name).build(small.model) for task in small.model.tasks]
    bundle = CoreMLExporter().export(small.model, output / "GoalAnalyzer", heads=heads)
    step(f"executing the saved files on the {sizes[2]} test goals")
    report = bundle.verify(splits.test.texts, splits.test.labels, reference=run.model)
    bundle.record(report)

    trained, baseline = evaluate(run.model, splits.test), ngram_baseline(splits)
    seconds = time.perf_counter() - start
    accuracy = {
        before.task: (ngrams.accuracy, before.accuracy, report.accuracy[before.task]["bundle"])
        for before, ngrams in zip(trained, baseline, strict=True)
    }
    results = {
        "texts": report.texts,
        "accuracy": {task: dict(zip(("n-grams", "float32", "bundle"), each, strict=True)) for task, each in accuracy.items()},
        "model_bytes": small.bytes_before,
        "package_bytes": report.package_bytes,
        "bundle_bytes": report.bundle_bytes,
        "seconds": round(seconds, 1),
    }
    write_file(output / "demo.json", json_bytes(results))
    show_verification(report)
    table(
        f"Accuracy on {report.texts} test goals (written by a language model, never trained on)",
        ["task", "n-grams + SVM", "tiny-bert, float32", "bundle, 8 bit"],
        [(task, *map(percent, each)) for task, each in accuracy.items()],
    )
    if behind := [task for task, (ngrams, _, exported) in accuracy.items() if ngrams > exported]:
        console.print(f"\nn-grams are still better at {', '.join(behind)}; they have no Core ML form that takes plain text.")
    console.print(
        f"\nBuilt {bundle.path} in {seconds:.0f} seconds: {megabytes(report.bundle_bytes)} to add to an app, "
        f"its package {megabytes(report.package_bytes)}, from a model of {megabytes(small.bytes_before)}.\n"
        "Next steps:\n"
        f"  goalkit predict --bundle {bundle.path} 今晚跑五公里\n"
        f"  goalkit verify {bundle.path} --model {output}/model-int8 --reference {output}/model\n"
        "  goalkit train --data goals.csv      (your own goals: columns text, category, difficulty, completion)\n"
        f"  open {bundle.path}/GoalAnalyzer.mlpackage      (on a Mac, in Xcode)"
    )
    raise SystemExit(0 if report.passed else 3)
