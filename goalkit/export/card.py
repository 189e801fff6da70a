"""The model card: the README of a bundle."""

from __future__ import annotations

from pathlib import Path

from goalkit.export.layout import CARD, PACKAGE, REPLAY
from goalkit.export.manifest import Manifest


def write_card(folder: Path, manifest: Manifest) -> None:
    """Write the model card of the bundle in `folder`, with the measurements made so far."""
    manifest = manifest.with_files(folder)
    (folder / CARD).write_bytes("\n".join(_lines(manifest)).encode())


def _lines(manifest: Manifest) -> list[str]:
    replay = (
        [f"- Examples to mix in when a head is trained, against forgetting: `{REPLAY}`."] if REPLAY in manifest.files else []
    )
    calibration = manifest.origin.calibration
    checked = [f"- Half precision was checked for overflow on {calibration}."] if calibration else []
    heads = ", ".join(f"`{name}`" for name in manifest.heads.values()) or "none"
    compression = ", ".join(f"{kind} ({count} layers)" for kind, count in manifest.origin.compression.items()) or "none"
    return [
        "# GoalAnalyzer",
        "",
        "A classifier of short texts for Core ML, made by goalkit.",
        "",
        "| task | labels, in the order of the probabilities |",
        "|---|---|",
        *(f"| {task.name} | {' '.join(task.labels)} |" for task in manifest.tasks),
        "",
        f"- Backbone: {manifest.origin.backbone}; compression: {compression}; precision: {manifest.precision}.",
        f"- Runs on {manifest.deployment_target} and later; texts are padded or cut to {manifest.sequence_length} tokens.",
        f"- `{PACKAGE}` takes {' and '.join(f'`{name}`' for name in manifest.inputs)}, int32 [1, S].",
        f"- It outputs `embedding`, float32 [{manifest.embedding_size}], and `<task>_probabilities`.",
        f"- Updatable heads, from `embedding`: {heads}.",
        *replay,
        *checked,
        "- Tokenise with `vocab.txt` and the settings `tokenizer` of `manifest.json`, which include the cleaning of texts.",
        "- `tokenizer_golden.json` and `golden.json` hold the expected results.",
        f"- Identity, the same for bundles that give the same answers: `{manifest.identity}`.",
        "",
        *_measured(manifest),
        "",
    ]


def _measured(manifest: Manifest) -> list[str]:
    measured = manifest.measured
    if not measured:
        return ["Nothing has been measured yet."]
    lines = [
        f"Measured by executing these files on {measured['texts']} texts; no figure was taken on a phone.",
        f"The package has {measured['package_bytes'] / 1e6:.2f} MB.",
        "",
        "| output | accuracy | agreement with the exported model | agreement with the uncompressed model | largest error |",
        "|---|---|---|---|---|",
    ]
    fidelity = {each["output"]: each["agreement"] for each in measured["fidelity"]}
    for each in measured["parity"]:
        task = each["output"].removesuffix("_probabilities")
        right = measured["accuracy"].get(task, {}).get("bundle")
        cells = [
            _percent(right),
            _percent(each["agreement"]),
            _percent(fidelity.get(each["output"])),
            f"{each['largest_error']:.1e}",
        ]
        lines.append(f"| {each['output']} | {' | '.join(cells)} |")
    return lines


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.2%}"
