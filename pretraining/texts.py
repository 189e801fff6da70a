"""The texts that the shipped weights learn from: everyday sentences of open licence.

The shipped goals are not among them. Their training part is added in the second stage (see goals.py).
"""

from __future__ import annotations

import csv
import gzip
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from goalkit import Dataset

OPEN = "everyday/open.txt.gz"
CLAUSE = re.compile(r"[，。；！？!?;,]+")
FEWEST, MOST = 3, 20
"""Characters of a clause that is learned from on its own, as notes are."""


def training_texts(data: Path, *, clauses: float = 0.3, seed: int = 0) -> list[str]:
    """Return distinct texts in random order; none is one that a benchmark scores.

    Args:
        data: the folder with `everyday/open.txt.gz` and the benchmarks' sets.
        clauses: share of the sentences with several clauses of which one clause is added as a text of its own.
        seed: of the choice of clauses and of the order.
    """
    scored = {normalized(text) for text in scored_texts(data)}
    random = np.random.default_rng(seed)
    with gzip.open(data / OPEN, "rt", encoding="utf-8") as file:
        sentences = [line.rstrip("\n") for line in file]
    notes = []
    for sentence in sentences:
        parts = [part.strip() for part in CLAUSE.split(sentence) if FEWEST <= len(part.strip()) <= MOST]
        if len(parts) > 1 and random.random() < clauses:
            notes.append(parts[int(random.integers(len(parts)))])
    texts = list(dict.fromkeys(text for text in (*sentences, *notes) if text and normalized(text) not in scored))
    return [texts[place] for place in random.permutation(len(texts))]


def normalized(text: str) -> str:
    """Return the letters and digits of a text: what is left says whether two texts are the same to a reader."""
    return "".join(each for each in unicodedata.normalize("NFKC", text).lower() if each.isalnum())


def scored_texts(data: Path) -> Iterator[str]:
    """Yield all goals, what other benchmarks score or choose an epoch by, and SMP 2017 and 2019, which overlap with 2020."""
    yield from Dataset.goals().clean().texts
    for name in ("dev.txt", "test.txt"):
        yield from _column(data / "thucnews_titles" / name, 0)
    for path in sorted((data / "goals_people").glob("*.tsv")):
        yield from _column(path, 0)
    for folder in ("cic", "kuake_qic", "smp2017", "smp2019", "smp2020"):
        for path in sorted((data / folder).iterdir()):
            if folder in ("smp2017", "smp2019") or "train" not in path.name:
                yield from _strings(path)


def _column(path: Path, column: int) -> Iterator[str]:
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            if row:
                yield row[column]


def _strings(path: Path) -> Iterator[str]:
    """Yield every string in a file of JSON, JSON lines or tab-separated values."""
    if path.suffix not in (".json", ".jsonl", ".txt", ".tsv"):
        return
    text = path.read_text(encoding="utf-8")
    try:
        yield from _leaves(json.loads(text))
        return
    except json.JSONDecodeError:
        pass
    for line in text.splitlines():
        try:
            yield from _leaves(json.loads(line))
        except json.JSONDecodeError:
            yield from line.split("\t")


def _leaves(value: object) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _leaves(each)
    elif isinstance(value, list):
        for each in value:
            yield from _leaves(each)
