"""What the shipped encoder brings: fine-tuned on sets that it has not seen, beside n-grams and its fine-tuned 12-layer teacher.

Besides `thucnews_titles` (benchmarks/titles.py) and `smp2020` (benchmarks/few_labels.py), the folder of data holds `cic`,
intents of customers (DataCLUE: `cic_train.json`, `cic_dev.json` and `cic_test_public.json`, JSON lines with `sentence` and
`label_des`), and `kuake_qic`, intents of medical queries (CBLUE: `KUAKE-QIC_train.json` and `KUAKE-QIC_dev.json`, lists with
`query` and `label`; its test part has no labels).
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import attrs

from benchmarks.few_labels import draw, read_intents
from benchmarks.kept import kept
from benchmarks.titles import read_titles
from goalkit import Dataset, GoalModel, Splits, Trainer
from goalkit.evaluation import TaskScore, evaluate, ngram_baseline
from goalkit.training import FewLabelsTrainer
from pretraining.e5 import E5, weights_file

SEEDS = 3
SHOTS = 8
TEACHER = Trainer(epochs=4, learning_rate=1e-4, batch_size=32, patience=2, max_length=64)
"""Settings for the 12-layer teacher; those of the small model are the defaults of `Trainer`."""


@attrs.frozen
class Case:
    """A set.

    Args:
        read: reads it from the folder of data, given the seed by which training rows are drawn.
        metric: what is reported.
        drawn: whether the training rows are drawn.
        few: whether they are so few that `FewLabelsTrainer` is for them.
    """

    read: Callable[[Path, int], Splits]
    metric: str = "accuracy"
    drawn: bool = False
    few: bool = False


def measure(data: Path | None) -> dict[str, Any]:
    """Fine-tune on every set and score on its test part."""
    assert data is not None
    encoder = GoalModel.from_backbone("tiny-bert", tasks=Dataset.goals().tasks, weights="pretrained").digest()
    found: dict[str, Any] = {}
    for name, case in CASES.items():
        found[name] = {"metric": case.metric, "n-grams": [], "teacher": [], "tiny": []}
        for seed in range(SEEDS):
            splits = case.read(data, seed)
            fits: dict[str, tuple[str, Callable[[], tuple[TaskScore, ...]]]] = {
                "tiny": (f"{name}-{encoder[:12]}-{seed}", partial(_fit_tiny, splits, case, seed))
            }
            if seed == 0:
                found[name]["rows"] = [len(splits.train), len(splits.validation), len(splits.test)]
                fits["teacher"] = f"{name}-teacher", partial(_fit_teacher, splits, case)
            if seed == 0 or case.drawn:
                fits["n-grams"] = f"{name}-n-grams-{seed}", partial(ngram_baseline, splits)
            for method, (file, fit) in fits.items():
                found[name][method].append(kept("transfer", file, partial(_ready, fit)))
    return {"encoder": encoder, "trainer": repr(Trainer()), "teacher": repr(TEACHER), "sets": found}


def _ready(fit: Callable[[], tuple[TaskScore, ...]]) -> list[dict[str, Any]]:
    return [attrs.asdict(each) for each in fit()]


def _fit_tiny(splits: Splits, case: Case, seed: int) -> tuple[TaskScore, ...]:
    model = GoalModel.from_backbone("tiny-bert", tasks=splits.train.tasks, seed=seed)
    return _scores(model, Trainer(seed=seed), splits, case)


def _fit_teacher(splits: Splits, case: Case) -> tuple[TaskScore, ...]:
    texts = [*splits.train.texts, *splits.validation.texts, *splits.test.texts]
    return _scores(E5(weights_file()).classifier(splits.train.tasks, texts), TEACHER, splits, case)


def _scores(model: GoalModel, trainer: Trainer, splits: Splits, case: Case) -> tuple[TaskScore, ...]:
    if case.few:
        few = FewLabelsTrainer(tuning="contrastive", seed=trainer.seed).fit(model, splits.train, progress=False)
        return evaluate(few.model, splits.test)
    return evaluate(trainer.fit(model, splits, progress=False).model, splits.test)


def _goals(data: Path, seed: int) -> Splits:
    return Dataset.goals().clean().split(seed=0)


def _titles(data: Path, seed: int) -> Splits:
    return read_titles(data / "thucnews_titles")


def _few_titles(data: Path, seed: int) -> Splits:
    splits = _titles(data, seed)
    return attrs.evolve(splits, train=draw(splits.train, 300, seed))


def _customers(data: Path, seed: int) -> Splits:
    def part(file: str) -> Dataset:
        lines = (data / "cic" / f"cic_{file}.json").read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines if line.strip()]
        return Dataset.from_columns([row["sentence"] for row in rows], {"intent": [row["label_des"] for row in rows]})

    train = part("train")
    return Splits(train, part("dev").with_tasks(train.tasks), part("test_public").with_tasks(train.tasks))


def _queries(data: Path, seed: int) -> Splits:
    """A tenth of the training rows chooses the epoch; the development part is scored."""

    def part(file: str) -> Dataset:
        rows = [row for row in json.loads((data / "kuake_qic" / f"KUAKE-QIC_{file}.json").read_bytes()) if row["label"]]
        return Dataset.from_columns([row["query"] for row in rows], {"intent": [row["label"] for row in rows]})

    rows, scored = part("train"), part("dev")
    places = range(len(rows))
    chosen = [place for place in places if place % 10 == 0]
    train = rows.take([place for place in places if place % 10])
    return Splits(train, rows.take(chosen), scored.with_tasks(train.tasks))


def _intents(data: Path, seed: int) -> Splits:
    splits = read_intents(data / "smp2020")
    return attrs.evolve(splits, train=draw(splits.train, SHOTS, seed))


CASES = {
    "goals": Case(_goals),
    "titles": Case(_titles),
    "3,000 titles": Case(_few_titles, drawn=True),
    "cic": Case(_customers, "macro_f1"),
    "kuake_qic": Case(_queries),
    "smp2020": Case(_intents, "macro_f1", drawn=True, few=True),
}

NAMES = {
    "goals": "shipped goals (written by a language model)",
    "titles": "THUCNews titles",
    "3,000 titles": "THUCNews titles, 300 per class",
    "cic": "CIC, customers' intents, 118 labels; the training labels are partly wrong",
    "kuake_qic": "KUAKE-QIC, medical queries, development part",
    "smp2020": f"SMP2020, intents to an assistant, {SHOTS} rows per label",
}
METRICS = {"accuracy": "accuracy", "macro_f1": "macro-F1"}


def page(found: dict[str, Any], where: str) -> str:
    """Return the section of docs/benchmarks.md."""
    columns = (
        "set",
        "task",
        "rows for training",
        "metric",
        "char n-grams + SVM",
        "12-layer teacher",
        "tiny-bert, median",
        "worst and best",
        "of the teacher's",
    )
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for name, each in found["sets"].items():
        metric = each["metric"]
        for place, first in enumerate(each["tiny"][0]):
            tiny = [scores[place][metric] for scores in each["tiny"]]
            teacher = each["teacher"][0][place][metric]
            ngrams = statistics.median(scores[place][metric] for scores in each["n-grams"])
            median = statistics.median(tiny)
            lines.append(
                f"| {NAMES[name]} | {first['task']} | {each['rows'][0]:,} | {METRICS[metric]} | {ngrams:.1%} | {teacher:.1%} | "
                f"**{median:.1%}** | {min(tiny):.1%} … {max(tiny):.1%} | {median / teacher:.1%} |"
            )
    return "\n".join(
        [
            "## The shipped encoder on other texts",
            "",
            "tiny-bert from the shipped weights, fine-tuned on the training part of each set with the defaults of `Trainer` "
            f"and {SEEDS} seeds. Its settings were chosen on the validation part of the goals alone. On SMP2020 it is "
            "`FewLabelsTrainer`, contrastive, with settings that were chosen on the development part of that set. No text of a "
            "development or test part was among the texts of the distillation. The teacher is multilingual-e5-small with its "
            "own pieces, 12 layers of width 384, fine-tuned once per set. Real text, except for the goals.",
            "",
            *lines,
            "",
            f"tiny-bert: `{found['trainer']}`. Teacher: `{found['teacher']}`.",
            "",
            where,
            "",
        ]
    )
