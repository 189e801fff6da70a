"""How scores and verification reports look in the terminal."""

from __future__ import annotations

from goalkit.cli.tables import console, megabytes, percent, table
from goalkit.datasets import QualityReport
from goalkit.export.verification import VerificationReport
from goalkit.training import TaskScore


def show_scores(title: str, scores: tuple[TaskScore, ...]) -> None:
    """Print accuracy and macro-F1, a row a task."""
    table(
        title,
        ["task", "accuracy", "macro-F1"],
        [(each.task, percent(each.accuracy), percent(each.macro_f1)) for each in scores],
    )


def show_verification(report: VerificationReport) -> None:
    """Print what was measured on a bundle, what to keep in mind, and which gates failed."""
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
        console.print(f"  FAILED {check.name}: {check.value_text}, not {check.limit_text} ({check.told})", style="bold red")
        for example in check.examples:
            console.print(f"    {example.line}")
    console.print(f"  {report.verdict}", style="green" if report.passed else None)
