"""Time and memory of reading, cleaning, dropping near-duplicates and splitting, from ten thousand rows to a million.

The rows are synthetic: two or three clauses, drawn at random from those of the goals that ship with goalkit and, if there is
a folder of public texts, of the news titles in it (benchmarks/titles.py says which). Each size runs in its own process.
"""

from __future__ import annotations

import csv
import io
import json
import logging
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from goalkit import Dataset
from goalkit.datasets import Cleaner, quality_report

SIZES = (10_000, 100_000, 1_000_000)
WORKERS = 2
LENGTHS = range(5, 13)
"""Characters of a clause: one clause is never four fifths of a row, so that unrelated rows are not near-duplicates."""
NEAR, REPEATED, SOILED = 0.10, 0.02, 0.02
READ, CLEANED, DROPPED, SPLIT, REPORT = "read", "clean", "clean, drop near-duplicates", "split", "quality report"
FIGURE = "scale.svg"


def measure(data: Path | None) -> dict[str, Any]:
    """Measure seconds and peak memory of each step, for each size."""
    sizes = []
    for size in SIZES:
        command = [sys.executable, "-m", "benchmarks.scale", str(size), *([str(data)] if data else [])]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        sizes.append(json.loads(done.stdout))
    return {
        "sizes": sizes,
        "workers": WORKERS,
        "near": NEAR,
        "repeated": REPEATED,
        "soiled": SOILED,
        "titles": data is not None,
    }


def _clauses(data: Path | None) -> list[str]:
    texts = Dataset.goals().texts
    if data:
        lines = (data / "thucnews_titles" / "train.txt").read_text(encoding="utf-8").splitlines()
        texts += [line.split("\t")[0] for line in lines]
    return sorted(
        {clause for text in texts for clause in re.split(r"[，。！？、；：,!?;:\s]+", text) if len(clause) in LENGTHS}
    )


def _rows(size: int, data: Path | None) -> Iterator[tuple[str, str, str, str]]:
    """Yield rows with labels drawn from the goals; a near-duplicate of one of the last thousand rows has its labels."""
    goals, clauses, chance = Dataset.goals(), _clauses(data), random.Random(0)
    labels = list(zip(*goals.labels.values(), strict=True))
    last: list[tuple[str, tuple[str, ...]]] = []
    for number in range(size):
        kind = chance.random()
        if kind < NEAR + REPEATED and last:
            text, row = chance.choice(last)
            if kind < NEAR:
                text = _altered(text, chance)
        else:
            text, row = "，".join(chance.sample(clauses, chance.choice((2, 2, 3)))), chance.choice(labels)
        last[number % 1000 : number % 1000 + 1] = [(text, row)]
        if kind > 1 - SOILED:
            text = f"<b>{text}</b>　！！！"
        yield text, *row


def _altered(text: str, chance: random.Random) -> str:
    """Return the text with another number, or with one character repeated or left out."""
    if re.search(r"\d", text):
        return re.sub(r"\d+", lambda _: str(chance.randint(2, 99)), text)
    place = chance.randrange(len(text))
    return text[:place] + chance.choice(("", text[place] * 2)) + text[place + 1 :]


def _measured(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """Return the result of `work`, its seconds, and the peak memory of the process during it."""
    Path("/proc/self/clear_refs").write_text("5")  # reset the peak
    start = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - start
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return result, {"seconds": round(seconds, 2), "peak_bytes": int(found[1]) * 1024}


def _work(size: int, data: Path | None) -> dict[str, Any]:
    logging.disable(logging.WARNING)
    steps: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "goals.csv"
        with path.open("w", encoding="utf-8", newline="") as handle:
            csv.writer(handle).writerows([("text", "category", "difficulty", "completion"), *_rows(size, data)])
        file_bytes = path.stat().st_size
        _, start = _measured(lambda: Cleaner().clean(Dataset.goals()))  # includes the memory of imports
        raw, steps[READ] = _measured(lambda: Dataset.from_csv(path))
    _, steps[CLEANED] = _measured(lambda: len(Cleaner().clean(raw, workers=WORKERS).dataset))
    left, steps[DROPPED] = _measured(lambda: Cleaner(near_duplicates="drop").clean(raw, workers=WORKERS).dataset)
    splits, steps[SPLIT] = _measured(left.split)
    report, steps[REPORT] = _measured(lambda: quality_report(raw, splits=splits, vocabulary_of="tiny-bert"))
    return {
        "rows": size,
        "file_bytes": file_bytes,
        "table_bytes": raw.table.nbytes,
        "start_bytes": start["peak_bytes"],
        "steps": steps,
        "left": len(left),
        "leaks": next(check.value for check in report.checks if check.name == "leaks"),
    }


def page(found: dict[str, Any], where: str) -> str:
    """Return the section of docs/benchmarks.md."""
    names = (READ, CLEANED, DROPPED, SPLIT, REPORT)
    lines = [
        f"| {size['rows']:,} | "
        + " | ".join(
            f"{size['steps'][name]['seconds']:.1f} s, {size['steps'][name]['peak_bytes'] / 2**20:,.0f} MiB" for name in names
        )
        + f" | {size['left']:,} |"
        for size in found["sizes"]
    ]
    *_, before, last = found["sizes"]
    seconds = sum(last["steps"][name]["seconds"] for name in (READ, DROPPED, SPLIT))
    more = last["rows"] - before["rows"]
    peaks = {name: last["steps"][name]["peak_bytes"] - before["steps"][name]["peak_bytes"] for name in (READ, DROPPED, SPLIT)}
    growth = ", ".join(f"{peak / more:,.0f} bytes per row ({name})" for name, peak in peaks.items())
    return "\n".join(
        [
            "## Scale of data",
            "",
            "Synthetic rows: two or three clauses, drawn at random from those of the shipped goals"
            f"{' and of news titles' if found['titles'] else ''}, with labels drawn at random. {found['near']:.0%} of them "
            f"differ from one of the last thousand in a number or a character, {found['repeated']:.0%} repeat one, "
            f"{found['soiled']:.0%} have tags and marks to clean. Each size runs in its own process, which cleans with "
            f"{found['workers']} worker processes, 5,000 texts at a time. The table has the time of each step and the peak "
            f"memory of the process during it. It is {last['start_bytes'] / 2**20:,.0f} MiB before the first row.",
            "",
            f"| rows | {' | '.join(names)} | rows left |",
            "|---|" + "---|" * (len(names) + 1),
            *lines,
            "",
            f"![Seconds and memory by the number of rows]({FIGURE})",
            "",
            f"Reading, cleaning with near-duplicates dropped, and splitting {last['rows']:,} rows take "
            f"{seconds / 60:.1f} minutes. Memory grows with the number of rows: a dataset is held in memory, here "
            f"{last['table_bytes'] / last['rows']:.0f} bytes per row, and near-duplicates are searched among all texts at "
            f"once, with 168 bytes of MinHash per text and the masked text. "
            f"From {before['rows']:,} to {last['rows']:,} rows "
            f"the peaks grow by {growth}. The quality report covers the rows as read; its models learn from 20,000 of them; "
            "all other checks use every row.",
            "",
            where,
            "",
        ]
    )


def figure(found: dict[str, Any]) -> str:
    """Return the figure as an SVG; the same results and the same matplotlib give the same SVG."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    rows = [size["rows"] for size in found["sizes"]]
    with mpl.rc_context({"svg.hashsalt": "goalkit", "font.size": 9}):
        drawn = Figure(figsize=(9, 3.6), layout="constrained")
        axes = drawn.subplots(1, 2)
        for axis, key, unit, title in zip(
            axes, ("seconds", "peak_bytes"), (1, 2**20), ("seconds", "peak memory, MiB"), strict=True
        ):
            for name in (READ, CLEANED, DROPPED, SPLIT, REPORT):
                axis.plot(rows, [size["steps"][name][key] / unit for size in found["sizes"]], marker="o", label=name)
            axis.set(title=title, xlabel="rows", xscale="log", yscale="log")
            axis.grid(color="#dddddd", linewidth=0.6)
            axis.spines[["top", "right"]].set_visible(False)
        drawn.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False)
        svg = io.StringIO()
        drawn.savefig(svg, format="svg", metadata={"Date": None})
    return svg.getvalue()


if __name__ == "__main__":
    print(json.dumps(_work(int(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)))
