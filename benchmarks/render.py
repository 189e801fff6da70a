"""Writes saved results into docs/benchmarks.md, and the demo's table into the README."""

import json
import statistics
from pathlib import Path
from typing import Any

from benchmarks.personalisation.figure import draw, gains

ROOT = Path(__file__).parent.parent
BEGIN, END = "<!-- written by python -m benchmarks demo -->", "<!-- end -->"


def write_docs(results: Path) -> None:
    """Render every result that there is."""
    saved = {file.stem: json.loads(file.read_bytes()) for file in sorted(results.glob("*.json"))}
    sections = [SECTIONS[name](saved[name]) for name in SECTIONS if name in saved]
    head = "# Benchmarks\n\nWritten by `python -m benchmarks`. No figure was taken on a phone.\n"
    (ROOT / "docs" / "benchmarks.md").write_text("\n".join([head, *sections]), encoding="utf-8")
    if "demo" in saved:
        readme = ROOT / "README.md"
        text = readme.read_text(encoding="utf-8")
        before, _, rest = text.partition(BEGIN)
        readme.write_text(f"{before}{BEGIN}\n{demo_table(saved['demo'])}{END}{rest.partition(END)[2]}", encoding="utf-8")


def demo_table(found: dict[str, Any]) -> str:
    """The table of the README."""
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
            f"of {found['model_bytes'] / 1e6:.2f} MB; {found['seconds']:.0f} seconds in all. {_where(found)}",
            "",
        ]
    )


def _demo(found: dict[str, Any]) -> str:
    return f"## The demo\n\nHand-written goals, random initial weights.\n\n{demo_table(found)}"


def _imports(found: dict[str, Any]) -> str:
    lines = [f"| `import {name}` | {seconds:.3f} s |" for name, seconds in found["seconds"].items()]
    table = "\n".join(["| statement | median seconds beyond starting Python |", "|---|---|", *lines])
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
            f"THUCNews titles, ten classes: {train:,} titles to learn from, {validation:,} to choose the epoch by, {test:,} to "
            "report on. Real text. The encoder starts from random weights, so it is expected to stay behind models that were "
            "pre-trained; here it is shown beside the n-grams that it has to reach.",
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
            "Full-size configurations with random weights, as no published ones could be fetched: this says how exact and how "
            f"fast export and runtime are, nothing of accuracy. Embeddings of {found['texts']} hand-written goals of different "
            f"lengths, padded to {found['length']} tokens. Times are medians of {found['runs']} runs on one text, torch eager "
            "on the uncompressed model and the runtime in turns, on the same threads. INT8 and 4-bit (a table of 16 values a "
            "matrix) are in half precision; memory is the whole process at its peak.",
            "",
            *lines,
            "",
            _where(found),
            "",
        ]
    )


def _personalisation(found: dict[str, Any]) -> str:
    draw(found, ROOT / "docs" / "personalisation.svg")
    users, replayed, cost = len(found["users"]), found["replayed"], found["cost"]
    lines = [
        "| strategy | next 200 goals: median user | worst user | everybody else: median | worst | with the habit's own region |",
        "|---|---|---|---|---|---|",
    ]
    for name in found["strategies"]:
        own, others, everything = (gains(found, name, each) for each in ("following", "others_outside", "others"))
        if name == "no update":
            shipped = found["strategies"][name]
            shares = [
                (statistics.median(each["following"][0] for each in shipped), min(each["following"][0] for each in shipped)),
                (statistics.median(each["others_outside"][0] for each in shipped),),
            ]
            lines.append(f"| {name} (accuracy) | {shares[0][0]:.1%} | {shares[0][1]:.1%} | {shares[1][0]:.1%} | | |")
            continue
        figures = (statistics.median(own), min(own), statistics.median(others), min(others), statistics.median(everything))
        lines.append(f"| {name} | " + " | ".join(f"{each:+.1f}" for each in figures) + " |")
    slots = [
        "| new category | recall | precision | everybody else's accuracy before | after |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | " + " | ".join(f"{statistics.mean(values):.1%}" for values in scores.values()) + " |"
            for name, scores in found["new_categories"].items()
        ),
    ]
    settings = "; ".join(f"{name}: {setting}" for name, setting in found["chosen"].items() if setting)
    steps = 10 * -(-100 // 8)
    flops = 6 * 100 * 10 * cost["head_parameters"]
    embedding = 2 * 100 * cost["encoder_parameters"] * cost["tokens"]
    memory = 4 * 4 * cost["head_parameters"] + 100 * cost["embedding_bytes"] + cost["package_bytes"]
    return "\n".join(
        [
            "## Learning on the phone",
            "",
            f"{users} simulated users, fixed in `benchmarks/personalisation/habits.py` before any head was tuned: each files one "
            "topic under another category than the guide does, and has words of its own. Each corrects 50 goals; then come 200. "
            f"{found['development_users']} further users chose each strategy's setting: what helps most while everybody else loses "
            f"under a point. Base: {found['base']}; {found['rows'][0]:,} goals to learn from; accuracy {found['base_accuracy']:.1%} "
            f"on {found['rows'][2]:,} others, of which the users' goals are taken. The goals are written by a language model, the users "
            "are rules: no person's learning was measured. Embeddings come from the saved package, updates are rehearsed from the saved "
            f"heads, 10 seeds of shuffling; differences in points. Replay is {replayed} base examples.",
            "",
            *lines,
            "",
            "The last column counts the goals of others that lie within what the user files elsewhere: there the head has learnt to "
            "disagree with them, as it was told.",
            "",
            "![What each user gains and everybody else loses](personalisation.svg)",
            "",
            "A spare slot, taught ten examples of a category that the model never had (mean of five draws of the ten, with replay):",
            "",
            *slots,
            "",
            f"Settings: {settings}.",
            "",
            f"Cost: 100 embeddings x 10 epochs take {1000 * cost['seconds']:.0f} ms here. For a phone, **estimated**, not measured: "
            f"training needs {flops / 1e6:.0f} MFLOP in {steps} steps (6 a weight, example and epoch), {flops / 1e9 + steps / 1000:.2f} s at "
            f"1 GFLOP/s and 1 ms a step; embedding the 100 texts before needs {embedding / 1e9:.0f} GFLOP (2 a weight and token), "
            f"{embedding / 5e10:.1f} s at 50 GFLOP/s. Memory: {memory / 1e6:.1f} MB, four copies of the head's weights (weights, "
            "gradients, momentum, the updated model), the embeddings, and the whole package as if none of it were mapped.",
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
    "personalisation": _personalisation,
    "encoders": _encoders,
    "imports": _imports,
}
