"""Goals that people wrote: models trained on the shipped goals, scored on goals from public notes.

The folder `goals_people` holds `dev.tsv` and `test.tsv`, which share no writer: goals, to-dos, habits and notes of progress,
with the columns `text`, `category`, `difficulty` and `completion`. A language model labelled them twice, blind, from the
annotation guide; a label is empty where the two passes differ. Thresholds are chosen on `dev.tsv`, whose errors are analysed;
`test.tsv` is only scored.
"""

from __future__ import annotations

import csv
import hashlib
import re
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from benchmarks.kept import kept
from goalkit import GOAL_TASKS, CoreMLExporter, Dataset, GoalModel, Trainer
from goalkit.cli.demo import EPOCHS, LEARNING_RATE
from goalkit.compress import Compressor
from goalkit.datasets import Splits, duplicate_groups
from goalkit.evaluation import NgramBaseline
from goalkit.export import Hints

HALVES = ("dev", "test")
SEEDS = 3
COVERAGE = 0.8
CONFIDENCES = (0.0, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
LENGTH = 48
TRAINER = Trainer(epochs=EPOCHS, learning_rate=LEARNING_RATE)
"""That of `goalkit demo`."""

Answers = Mapping[str, Mapping[str, Sequence[Any]]]
"""Per half and task, the probabilities of all labels for each row."""

MANNERS = {
    "tracker line": (
        r"[；;：:（(]\s*\d|\bD\s?\d|\d\s?%|[＋+]\s?1\s?day"
        r"|^\D{1,8}\s?\d+(\.\d+)?\s?(k?m|公里|min|h|个|分钟|次|组)?$"
    ),
    "list": r"\S\s?[+＋/、；]\s?\S.*[+＋/、；]|\s[+＋]\s",
    "year": r"今年|明年|去年|年底|年初|一年|(?<!\d)(?:20)?[12]\d\s?年",
    "failure": r"没(?!关系)|失败|放弃|懈怠|荒废|断了|又[^，]{0,6}了|未达成|太懒|不应该|反而",
    "technical": r"[A-Za-z]{2,}|算法|数据结构|编译|架构|源码|组件",
    "several clauses": r"，.{6,}",
    "bare phrase": r"^.{1,8}$",
}
"""Manners of writing, recognised roughly, by the first expression that is found; "other" if none is."""


@attrs.frozen
class People:
    """Rows of one half: texts, and per task the label ids, -1 where there is none."""

    texts: list[str]
    labels: Mapping[str, npt.NDArray[np.int64]]


def measure(data: Path | None) -> dict[str, Any]:
    """Train on the shipped goals and score on both halves."""
    assert data is not None
    splits = Dataset.goals().clean().split(seed=0)
    people = {half: read_people(data / "goals_people" / f"{half}.tsv") for half in HALVES}
    _check_apart([text for each in people.values() for text in each.texts])
    answers = {
        "n-grams": [ngram_answers(splits.train, people)],
        "tiny": [tiny_answers(splits, seed, people) for seed in range(SEEDS)],
    }
    return {
        "rows": {half: {name: int((ids >= 0).sum()) for name, ids in each.labels.items()} for half, each in people.items()},
        "trainer": repr(TRAINER),
        "scores": {method: [scores_of(each, people) for each in every] for method, every in answers.items()},
        "manners": _by_manner(answers["tiny"], people["dev"]),
        "hints": {half: hint_curve([each[half] for each in answers["tiny"]], people[half]) for half in HALVES},
    }


def _check_apart(texts: Sequence[str]) -> None:
    """Exit if a goal that is written as a note is a near-duplicate of a scored one."""
    notes = [text for text, style in styles().items() if style != "sentence"]
    groups = duplicate_groups([*notes, *texts])
    if shared := set(groups[: len(notes)]) & set(groups[len(notes) :]):
        raise SystemExit(f"{len(shared)} goals are near-duplicates of goals that people wrote: remove them from goals.csv")


def styles() -> dict[str, str]:
    """Return the style of each shipped goal."""
    with (files("goalkit.resources") / "goals.csv").open(encoding="utf-8", newline="") as file:
        return {row["text"]: row["style"] for row in csv.DictReader(file)}


def ngram_answers(train: Dataset, people: Mapping[str, People]) -> Answers:
    """Return the answers of n-grams fitted to some rows."""

    def fit() -> Answers:
        fitted = NgramBaseline.fit(train)
        return _answers({half: fitted.predict_probabilities(each.texts) for half, each in people.items()})

    found: Answers = kept("people", f"n-grams-{_key(train, people)}", fit)
    return found


def tiny_answers(
    splits: Splits, seed: int, people: Mapping[str, People], *, trainer: Trainer = TRAINER, weights: Path | None = None
) -> Answers:
    """Return the answers of the 8-bit bundle of a tiny-bert that was trained, from the shipped weights or those of a folder."""
    model = GoalModel.from_backbone("tiny-bert", tasks=splits.train.tasks, checkpoint=weights, seed=seed)
    trainer = attrs.evolve(trainer, seed=seed)

    def fit() -> Answers:
        trained = trainer.fit(model, splits, progress=False).model
        small = Compressor.from_recipe("int8").compress(trained).model
        with tempfile.TemporaryDirectory() as folder:
            bundle = CoreMLExporter(sequence_length=LENGTH).export(small, Path(folder) / "bundle")
            found = {half: bundle.predict(each.texts) for half, each in people.items()}
        return {
            half: {task.name: [list(row.probabilities[task.name].values()) for row in rows] for task in GOAL_TASKS}
            for half, rows in found.items()
        }

    found: Answers = kept("people", f"{model.digest()[:12]}-{_key(splits.train, people, repr(trainer))}", fit)
    return found


def _key(train: Dataset, people: Mapping[str, People], *more: str) -> str:
    """Return a name for what answers depend on."""
    texts = [text for each in people.values() for text in each.texts]
    return hashlib.sha256("\n".join([train.digest(), str(LENGTH), *more, *texts]).encode()).hexdigest()[:12]


def read_people(path: Path) -> People:
    """Read one half."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    labels = {
        task.name: np.array([task.labels.index(row[task.name]) if row[task.name] else -1 for row in rows])
        for task in GOAL_TASKS
    }
    return People([row["text"] for row in rows], labels)


def manner_of(text: str) -> str:
    """Return the manner in which a goal is written."""
    return next((name for name, pattern in MANNERS.items() if re.search(pattern, text)), "other")


def _answers(found: Mapping[str, Mapping[str, npt.NDArray[np.float32]]]) -> Answers:
    return {half: {task: rows.tolist() for task, rows in each.items()} for half, each in found.items()}


def _right(probabilities: Sequence[Any], truth: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    """Return whether each labelled row is right, and how confident the model is."""
    rows = np.array(probabilities)[truth >= 0]
    return rows.argmax(1) == truth[truth >= 0], rows.max(1)


def scores_of(answers: Answers, people: Mapping[str, People]) -> dict[str, Any]:
    """Return accuracies per half and task, of all rows and of those above the threshold that 80 % of the dev rows are above."""
    found: dict[str, Any] = {half: {} for half in HALVES}
    for task in GOAL_TASKS:
        threshold = float(np.quantile(_right(answers["dev"][task.name], people["dev"].labels[task.name])[1], 1 - COVERAGE))
        for half in HALVES:
            right, confidence = _right(answers[half][task.name], people[half].labels[task.name])
            sure = confidence >= threshold
            found[half][task.name] = {
                "accuracy": float(right.mean()),
                "threshold": threshold,
                "coverage": float(sure.mean()),
                "answered": float(right[sure].mean()),
            }
    return found


def hint_curve(answers: Sequence[Mapping[str, Sequence[Any]]], people: People) -> list[dict[str, float]]:
    """Return, per confidence that hints ask for, the share of rows with a hint, and how many of these have all labels right.

    Rows that lack a label are left out. The figures are means over the models.
    """
    labelled = np.all([ids >= 0 for ids in people.labels.values()], axis=0)
    found = []
    for confidence in CONFIDENCES:
        shares, rights = [], []
        for each in answers:
            pairs = [_right(each[name], np.where(labelled, ids, -1)) for name, ids in people.labels.items()]
            right, sure = np.all([pair[0] for pair in pairs], axis=0), np.min([pair[1] for pair in pairs], axis=0) >= confidence
            shares.append(sure.mean())
            rights.append(right[sure].mean())
        found.append({"confidence": confidence, "hints": float(np.mean(shares)), "right": float(np.mean(rights))})
    return found


def _by_manner(answers: Sequence[Answers], people: People) -> dict[str, Any]:
    """Return the share of each manner among the dev rows, and the mean accuracy per task."""
    manners = np.array([manner_of(text) for text in people.texts])
    found: dict[str, Any] = {}
    for manner in [*MANNERS, "other"]:
        found[manner] = {"share": float((manners == manner).mean())}
        for name, truth in people.labels.items():
            chosen = manners[truth >= 0] == manner
            found[manner][name] = float(np.mean([_right(each["dev"][name], truth)[0][chosen].mean() for each in answers]))
    return found


def table(found: dict[str, Any]) -> str:
    """Return the scores on the test half, by task."""
    lines = [
        "| task | rows | char n-grams + SVM | tiny-bert, 8-bit, median | worst and best | answered | right of the answered |",
        "|---|---|---|---|---|---|---|",
    ]
    for task in GOAL_TASKS:
        tiny = [each["test"][task.name] for each in found["scores"]["tiny"]]
        (ngrams,) = (each["test"][task.name]["accuracy"] for each in found["scores"]["n-grams"])
        accuracies = [each["accuracy"] for each in tiny]
        lines.append(
            f"| {task.name} | {found['rows']['test'][task.name]} | {ngrams:.1%} | **{statistics.median(accuracies):.1%}** | "
            f"{min(accuracies):.1%} … {max(accuracies):.1%} | {statistics.median(each['coverage'] for each in tiny):.0%} | "
            f"{statistics.median(each['answered'] for each in tiny):.1%} |"
        )
    return "\n".join([*lines, ""])


def _curve(found: dict[str, Any]) -> list[str]:
    lines = ["| confidence | dev: hints | right | test: hints | right |", "|---|---|---|---|---|"]
    for rows in zip(*(found[half] for half in HALVES), strict=True):
        cells = " | ".join(f"{row['hints']:.0%} | {row['right']:.0%}" for row in rows)
        lines.append(f"| {rows[0]['confidence']} | {cells} |")
    return lines


def page(found: dict[str, Any], where: str) -> str:
    """Return the section of docs/benchmarks.md."""
    names, seeds = [task.name for task in GOAL_TASKS], len(found["scores"]["tiny"])
    manners = [f"| manner | share | {' | '.join(names)} |", "|---|---|" + "---|" * len(names)]
    for manner, each in found["manners"].items():
        shares = " | ".join(f"{each[name]:.0%}" for name in names)
        manners.append(f"| {manner} | {each['share']:.0%} | {shares} |")
    return "\n".join(
        [
            "## Goals that people wrote",
            "",
            "Goals, habits and notes from public notes of people, labelled by a language model from the annotation guide, "
            "twice and blind; rows where the passes differ are left out. The models are trained on the shipped goals, which a "
            f"language model wrote, with {seeds} seed{'s' * (seeds > 1)}, and are executed as bundles. "
            "No setting was chosen on the test half. A "
            f"row is answered if the model is surer than a threshold, which {COVERAGE:.0%} of the dev half exceed.",
            "",
            table(found),
            "A hint depends on all three labels, and is shown if the model is sure of each; otherwise the app asks. "
            f"The default of `Hints.confidence`, {attrs.fields(Hints).confidence.default}, was chosen on the dev half. "
            "Share of the rows with a hint, and of these, how many have all three labels right:",
            "",
            *_curve(found["hints"]),
            "",
            "The dev half by manner of writing, which is recognised roughly, by patterns; mean accuracy:",
            "",
            *manners,
            "",
            where,
            "",
        ]
    )
