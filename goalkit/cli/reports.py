"""Print scores and reports to the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from goalkit.cli.tables import console, megabytes, percent, table

if TYPE_CHECKING:
    from goalkit.compress import Budget, BudgetResult, Compression
    from goalkit.datasets import QualityReport
    from goalkit.evaluation import EvaluationReport, Profile, TaskScore
    from goalkit.export import VerificationReport
    from goalkit.tasks import Task
    from goalkit.training import SearchResult, TrainingRun


def show_scores(title: str, scores: tuple[TaskScore, ...]) -> None:
    """Print accuracy and macro-F1 per task."""
    table(
        title,
        ["task", "accuracy", "macro-F1"],
        [(each.task, percent(each.accuracy), _macro_f1(each)) for each in scores],
    )


def show_epochs(run: TrainingRun) -> None:
    """Print the losses and scores of each epoch."""
    tasks = [each.task for each in run.epochs[0].validation]
    rows = [
        (
            f"{epoch.number}{' *' if epoch.number == run.best_epoch else ''}",
            f"{epoch.loss:.3f}",
            f"{epoch.validation_loss:.3f}",
            *map(_macro_f1, epoch.validation),
            f"{epoch.seconds:.1f}",
        )
        for epoch in run.epochs
    ]
    table("Epochs (* the best)", ["epoch", "loss", "validation loss", *(f"{task} macro-F1" for task in tasks), "seconds"], rows)


def show_search(found: SearchResult) -> None:
    """Print the best trials of a search and the importance of each setting."""
    ranked = sorted((each for each in found.trials if each.score is not None), key=lambda each: -(each.score or 0.0))
    rows = [
        (
            str(each.number),
            "–" if each.score is None else f"{each.score:.4f}",
            each.state,
            ", ".join(
                f"{name} {value:.3g}" if isinstance(value, float) else f"{value}" for name, value in each.settings.items()
            ),
        )
        for each in ranked[:10]
    ]
    table(f"Best of {len(found.trials)} trials", ["trial", "score", "ended", "settings"], rows, figures=False)
    for name, share in found.importances.items():
        console.print(f"  {name} explains {share:.0%} of the differences", style="dim")


def show_compression(made: Compression, package_bytes: int) -> None:
    """Print the size of a compressed model and its agreement with the original."""
    table(
        f"{made.recipe}: package {megabytes(package_bytes)}",
        ["task", "agreement with the original"],
        [(task, percent(share)) for task, share in made.agreement.items()],
    )


def show_budget(budget: Budget, found: BudgetResult) -> None:
    """Print the candidates that no other one beats."""
    table(
        f"Best of {len(found.candidates)} recipes (* chosen within {budget})",
        ["recipe", "package", "accuracy", "agreement"],
        found.rows(),
    )
    console.print(
        "  accuracy: mean over tasks; agreement with the original: lowest of all tasks; both on the validation texts\n"
        "  ≈: sizes that were estimated",
        style="dim",
    )


def show_scored(scored: Sequence[Task], tasks: Sequence[Task]) -> None:
    """Print which of a model's tasks were scored, if not all were."""
    names, others = [task.name for task in scored], [task.name for task in tasks if task not in scored]
    if others:
        console.print(f"  scored: {', '.join(names)}; not scored: {', '.join(others)}")


def _macro_f1(score: TaskScore) -> str:
    return percent(score.macro_f1) + _averaged(score.averaged_labels, score.labels)


def _averaged(averaged: int, labels: int) -> str:
    """Return a note on how many labels a macro-F1 averages over, if not over all."""
    return f" over {averaged} of {labels} labels" if averaged < labels else ""


def show_evaluation(report: EvaluationReport) -> None:
    """Print for each task the scores with intervals, the confusion matrix with scores per label, and confident mistakes."""
    for each in report.tasks:
        averaged = _averaged(each.averaged_labels, len(each.labels))
        measures = [("accuracy", each.accuracy), (f"macro-F1{averaged}", each.macro_f1)]
        table(
            f"{each.task}: {report.rows:,} texts",
            ["", "value", "95 % interval"],
            [(name, percent(one.value), f"{percent(one.low)} to {percent(one.high)}") for name, one in measures]
            + [("calibration error", percent(each.calibration_error), "")],
        )
        names = [score.label for score in each.labels]
        table(
            f"{each.task}: true label (row), predicted label (column)",
            ["", *names, "precision", "recall", "F1"],
            [
                (score.label, *map(str, counts), percent(score.precision), percent(score.recall), percent(score.f1))
                for score, counts in zip(each.labels, each.confusion, strict=True)
            ],
        )
        for mistake in each.mistakes:
            console.print(
                f"  {percent(mistake.probability)} {mistake.predicted}, but {mistake.label}: {mistake.text}", style="dim"
            )
    console.print(
        f"\n{report.parameters / 1e6:.1f} M weights, {megabytes(report.model_bytes)}, "
        f"{report.tokens_per_second:,.0f} tokens per second on this machine"
    )


def show_profiles(profiles: Mapping[str, Profile]) -> None:
    """Print where models spend their time, side by side, and the bottleneck of each."""
    first = next(iter(profiles.values()))
    for title, field in (("part", "parts"), ("kind of layer", "kinds"), ("operation", "operations")):
        columns = [{share.name: share for share in getattr(each, field)} for each in profiles.values()]
        rows = []
        for name in dict.fromkeys(name for column in columns for name in column):
            cells = [
                f"{column[name].milliseconds:.2f} ms  {column[name].share:4.0%}" if name in column else "–"
                for column in columns
            ]
            rows.append((name, *cells))
        table(f"{first.texts} texts, {first.tokens} tokens", [title, *profiles], rows)
    for name, each in profiles.items():
        console.print(
            f"{name}: {each.milliseconds:.2f} ms per batch, {each.tokens_per_second:,.0f} tokens per second"
            + ("" if each is first else f", {first.milliseconds / each.milliseconds:.2f} times as fast")
        )
        console.print(f"  {each.bottleneck}", style="bold")


def show_verification(report: VerificationReport) -> None:
    """Print the measurements on a bundle, remarks and failed gates."""
    fidelity = {each.output: each.agreement for each in report.fidelity}
    rows = []
    for each in report.parity:
        name = each.output.removesuffix("_probabilities")
        accuracy = report.accuracy.get(name, {}).get("bundle")
        measures = (
            f"{each.largest_error:.1e}",
            f"{each.psnr:.0f} dB",
            percent(each.agreement),
            percent(fidelity.get(each.output)),
        )
        rows.append((name, percent(accuracy), *measures))
    table(
        f"Measured by executing the saved files: {report.texts} texts, package {megabytes(report.package_bytes)}",
        ["output", "accuracy", "error", "PSNR", "parity", "fidelity"],
        rows,
    )
    console.print(
        "  error, PSNR, parity: against the exported model; fidelity: against the uncompressed one\n"
        "  parity and fidelity: share of texts with the same label",
        style="dim",
    )
    console.print(f"  identity {report.identity}", style="dim", highlight=False, soft_wrap=True)
    for task, error in report.heads.items():
        console.print(f"  head {task}: largest error {error:.1e} against the torch head")
    for remark in report.remarks():
        console.print(f"  note: {remark}", style="dim")
    for failure in report.failures:
        console.print(f"  FAILED {failure}", style="bold red")
    if report.passed:
        console.print("  every gate passed", style="green")


def show_quality(report: QualityReport) -> None:
    """Print every check of a quality report, and the examples of those that failed."""
    rows = [(each.name, each.value_text, each.limit_text, each.state) for each in report.checks]
    table(f"Data quality of {report.rows:,} rows", ["check", "value", "limit", "result"], rows)
    for remark in report.remarks:
        console.print(f"  note: {remark}", style="dim")
    for check in report.failed:
        console.print(f"  FAILED {check.name}: {check.value_text}, not {check.limit_text} ({check.detail})", style="bold red")
        for example in check.examples:
            console.print(f"    {example.line}")
    console.print(f"  {report.verdict}", style="green" if report.passed else None)
