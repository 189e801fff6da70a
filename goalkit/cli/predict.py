"""`goalkit predict`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from goalkit.cli.options import BUNDLE_PATH
from goalkit.cli.paths import Reads


@click.command(
    "predict",
    epilog="""\b
Examples:
  goalkit predict 今晚跑五公里
  goalkit predict 今晚跑五公里 "记账第12天" --json
  cat goals.txt | goalkit predict -""",
)
@click.argument("texts", nargs=-1, required=True)
@click.option("--bundle", type=Reads(), default=BUNDLE_PATH, show_default=True, help="Folder of the bundle.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line, with all probabilities.")
def command(texts: tuple[str, ...], bundle: Path, as_json: bool) -> None:
    """Predict labels of goals by executing a bundle's saved files. `-` reads goals from standard input, one per line."""
    from goalkit.cli.tables import console, percent, table
    from goalkit.configuration import to_dict
    from goalkit.export import Bundle

    asked = [line.strip() for text in texts for line in (sys.stdin if text == "-" else [text]) if line.strip()]
    if not asked:
        raise click.UsageError("there is no goal: give one, or - and goals on standard input, one per line")
    opened = Bundle.open(bundle)
    for prediction in opened.predict(asked):
        hint = opened.hints.choose(prediction)
        if as_json:
            click.echo(json.dumps({**to_dict(prediction), "hint": hint}, ensure_ascii=False))
            continue
        rows = [
            (
                name,
                f"{label} {percent(prediction.probabilities[name][label])}",
                " ".join(f"{each} {share:.0%}" for each, share in prediction.probabilities[name].items()),
            )
            for name, label in prediction.labels.items()
        ]
        table(prediction.text, ["task", "label", "all probabilities"], rows, figures=False)
        console.print(f"  {hint}\n")
