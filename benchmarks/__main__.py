"""`python -m benchmarks [name …]`: measures, saves to benchmarks/results, and writes the docs from the results."""

import argparse
import importlib
import json
from pathlib import Path

from benchmarks import render
from benchmarks.machine import machine
from goalkit.storage import write_file

NAMES = (
    "imports",
    "installs",
    "corpus",
    "demo",
    "personalisation",
    "encoders",
    "families",
    "scale",
    "bottleneck",
    "reproducibility",
    "augmentation",
    "calibration",
    "few_labels",
    "titles",
    "transfer",
    "defaults",
    "people",
    "compression",
    "notes",
    "throughput",
)
FROM_DATA = ("few_labels", "titles", "transfer", "defaults", "people", "compression", "notes", "throughput")


def main() -> None:
    """Run the named benchmarks, or all, one after the other; `render` only writes the docs from saved results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=main.__doc__)
    parser.add_argument("names", nargs="*", choices=[*NAMES, "render"], help="default: all")
    parser.add_argument(
        "--data", type=Path, help=f"folder of public texts, for {', '.join(FROM_DATA)}, scale; benchmarks/titles.py says which"
    )
    arguments = parser.parse_args()
    for name in arguments.names or NAMES:
        if name in FROM_DATA and arguments.data is None:
            print(f"{name}: skipped, because it needs texts: name their folder with --data")
        elif name != "render":
            measured = importlib.import_module(f"benchmarks.{name}").measure(arguments.data)
            text = json.dumps({**machine(), **measured}, ensure_ascii=False, indent=2)
            write_file(render.RESULTS / f"{name}.json", f"{text}\n".encode())
    render.write_docs()


main()
