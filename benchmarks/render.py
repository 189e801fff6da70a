"""Renders saved results: docs/benchmarks.md with its figures, and the tables in README.md and other pages."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import (
    augmentation,
    bottleneck,
    calibration,
    compression,
    defaults,
    families,
    few_labels,
    installs,
    notes,
    people,
    reproducibility,
    scale,
    throughput,
    transfer,
)
from benchmarks.personalisation import page as personalisation
from goalkit.storage import write_file

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results"
BEGIN, END = "<!-- written by python -m benchmarks {} -->", "<!-- end -->"


def write_docs() -> None:
    """Render all saved results."""
    saved = saved_results()
    for name, text in {**figures(saved), **pages(saved)}.items():
        write_file(ROOT / name, text.encode())


def saved_results() -> dict[str, Any]:
    """Return the latest results of the benchmarks, by name."""
    return {file.stem: json.loads(file.read_bytes()) for file in sorted(RESULTS.glob("*.json"))}


def pages(saved: Mapping[str, Any]) -> dict[str, str]:
    """Return every page with measured figures, by path; on pages with tables, the text around them stays as it is."""
    sections = [SECTIONS[name](saved[name]) for name in SECTIONS if name in saved]
    if "calibration" in saved:
        sections.append(calibration.page(saved["calibration"], saved.get("titles"), _where(saved["calibration"])))
    head = "# Benchmarks\n\nWritten by `python -m benchmarks`. No figure was taken on a phone.\n"
    found = {"docs/benchmarks.md": "\n".join([head, *sections])}
    measured = {page for name, (page, _) in TABLES.items() if name in saved}
    for name, (page, table) in TABLES.items():
        if page in measured:
            text = found.get(page) or (ROOT / page).read_text(encoding="utf-8")
            found[page] = _with_table(page, text, name, table(saved[name]) if name in saved else "")
    return found


def figures(saved: Mapping[str, Any]) -> dict[str, str]:
    """Return every figure, by path, as an SVG; the same results and the same matplotlib give the same SVG."""
    return {f"docs/{module.FIGURE}": module.figure(saved[name]) for name, module in FIGURES.items() if name in saved}


def _with_table(page: str, text: str, name: str, table: str) -> str:
    """Return a page with new text between the marks of a benchmark."""
    before, begin, rest = text.partition(BEGIN.format(name))
    if not begin or END not in rest:
        raise ValueError(f"{page} has no place for the table of {name}: write {BEGIN.format(name)} and {END} where it belongs")
    return f"{before}{begin}\n{table}{END}{rest.partition(END)[2]}"


def demo_table(found: dict[str, Any]) -> str:
    """Return the table of the README."""
    comparisons = {each["output"]: each for each in found["measured"]["fidelity"]}
    parity = {each["output"]: each for each in found["measured"]["parity"]}
    lines = [
        f"| task ({found['texts']} test goals) | char n-grams + linear SVM | tiny-bert, FP32 torch | shipped bundle | "
        "same label as exported model | same label as FP32 model |",
        "|---|---|---|---|---|---|",
    ]
    for task, each in found["accuracy"].items():
        output = f"{task}_probabilities"
        shares = [*each.values(), parity[output]["agreement"], comparisons[output]["agreement"]]
        lines.append(f"| {task} | " + " | ".join(f"{share:.1%}" for share in shares) + " |")
    return "\n".join(
        [
            *lines,
            "",
            f"Package {found['package_bytes'] / 1e6:.2f} MB, whole bundle {found['bundle_bytes'] / 1e6:.2f} MB, from a model "
            f"of {found['model_bytes'] / 1e6:.2f} MB; {found['seconds']:.0f} seconds in total. {_where(found)}",
            "",
        ]
    )


def _demo(found: dict[str, Any]) -> str:
    return f"## The demo\n\nGoals written by a language model.\n\n{demo_table(found)}"


def _corpus(found: dict[str, Any]) -> str:
    twice = found["labelled_twice"]
    lines = [
        f"Two passes labelled {twice['texts']:,} notes, before any was dropped:",
        "",
        "| | same label | Cohen's kappa |",
        "|---|---|---|",
        *(f"| {task} | {each['same']:.1%} | {each['kappa']:.3f} |" for task, each in twice["tasks"].items()),
        "",
        f"{found['changed']} sentences have other labels by the present guide than by the one before. The quality report:",
        "",
        "| check | value | limit | result |",
        "|---|---|---|---|",
    ]
    lines += [f"| {each['name']} | {each['value']} | {each['limit']} | {each['state']} |" for each in found["checks"]]
    return "\n".join([*lines, "", _where(found), ""])


def _installs(found: dict[str, Any]) -> str:
    return f"{installs.table(found)}\n{_where(found)} Other programs were running.\n"


def _people(found: dict[str, Any]) -> str:
    seeds = len(found["scores"]["tiny"])
    meaning = (
        f"A row is answered if the model is surer than a threshold, which {people.COVERAGE:.0%} of the dev half exceed. "
        f"{seeds} seed{'s' * (seeds > 1)}."
    )
    return f"{people.table(found)}\n{meaning} {_where(found)}\n"


def _imports(found: dict[str, Any]) -> str:
    lines = [f"| `import {name}` | {seconds:.3f} s |" for name, seconds in found["seconds"].items()]
    table = "\n".join(["| statement | median seconds in addition to starting Python |", "|---|---|", *lines])
    return f"## Import\n\n{table}\n\n{_where(found)}\n"


def _titles(found: dict[str, Any]) -> str:
    train, validation, test = found["rows"]
    lines = [
        "| model | accuracy | package | largest error of a probability | embedding PSNR | same label as exported model | "
        "same label as FP32 model |",
        "|---|---|---|---|---|---|---|",
        f"| char n-grams + linear SVM | {found['n-grams']:.2%} | | | | | |",
        f"| tiny-bert, FP32 torch | {found['float32']:.2%} | | | | | |",
    ]
    for name, report in found["bundles"].items():
        embedding, topic = report["parity"]
        lines.append(
            f"| saved package, {name} | {report['accuracy']['topic']['bundle']:.2%} | {report['package_bytes'] / 1e6:.2f} MB | "
            f"{topic['largest_error']:.1e} | {embedding['psnr']:.0f} dB | {topic['agreement']:.2%} | "
            f"{report['fidelity'][0]['agreement']:.2%} |"
        )
    head = max(report["heads"]["topic"] for report in found["bundles"].values())
    return "\n".join(
        [
            "## News titles",
            "",
            f"THUCNews titles, ten classes: {train:,} training titles, {validation:,} for choosing the epoch, {test:,} for the "
            "reported figures. Real text. The encoder starts from random weights, so it is expected to be less accurate than "
            "pre-trained models; here it is compared with n-grams as a baseline.",
            "",
            *lines,
            "",
            f"The saved updatable heads differ from the torch head by at most {head:.1e} in a probability. "
            f"Trained with `{found['trainer']}`.",
            "",
            _where(found),
            "",
        ]
    )


def _encoders(found: dict[str, Any]) -> str:
    lines = [
        "| encoder | form | largest error / largest value | PSNR against exported torch | PSNR against FP32 torch | package | "
        "export | peak memory | torch eager | runtime | ratio |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for each in found["cases"]:
        lines.append(
            f"| {each['encoder']}, {each['parameters'] / 1e6:.1f} M | {each['form']} | {each['error']:.1e} | "
            f"{each['psnr']:.0f} dB | {each['fidelity_psnr']:.0f} dB | {each['bytes'] / 1e6:.1f} MB | "
            f"{each['export_seconds']:.1f} s | {each['export_memory'] / 2**30:.1f} GiB | {each['eager']:.1f} ms | "
            f"{each['runtime']:.1f} ms | {each['runtime'] / each['eager']:.2f} |"
        )
    return "\n".join(
        [
            "## Encoders",
            "",
            "Full-size configurations with random weights, as no published ones could be downloaded: the table shows how exact "
            "and how fast export and runtime are, and says nothing about accuracy. "
            f"Embeddings of {found['texts']} goals of different lengths, padded to {found['length']} tokens. "
            f"Times are medians of {found['runs']} runs on one text, torch eager "
            "on the uncompressed model and the runtime in turns, with the same threads. INT8 and 4-bit (a table of 16 values "
            "per matrix) are in half precision; memory is the peak of the whole process.",
            "",
            *lines,
            "",
            _where(found),
            "",
        ]
    )


def _where(found: dict[str, Any]) -> str:
    return f"Measured on {found['date']}, {found['machine']}."


SECTIONS = {
    "demo": _demo,
    "titles": _titles,
    "personalisation": lambda found: personalisation.page(found, _where(found)),
    "augmentation": lambda found: augmentation.page(found, _where(found)),
    "scale": lambda found: scale.page(found, _where(found)),
    "encoders": _encoders,
    "bottleneck": lambda found: bottleneck.page(found, _where(found)),
    "reproducibility": lambda found: reproducibility.page(found, _where(found)),
    "few_labels": lambda found: few_labels.page(found, _where(found)),
    "people": lambda found: people.page(found, _where(found)),
    "notes": lambda found: notes.page(found, _where(found)),
    "transfer": lambda found: transfer.page(found, _where(found)),
    "compression": lambda found: compression.page(found, _where(found)),
    "defaults": lambda found: defaults.page(found, _where(found)),
    "throughput": lambda found: throughput.page(found, _where(found)),
    "imports": _imports,
}

TABLES = {
    "demo": ("README.md", demo_table),
    "people": ("README.md", _people),
    "installs": ("README.md", _installs),
    "corpus": ("docs/goal-corpus.md", _corpus),
    "families": ("docs/families.md", families.table),
}
FIGURES = {"personalisation": personalisation, "scale": scale}
