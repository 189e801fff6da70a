"""Measures whether augmentation helps a small training set: char n-grams with a linear SVM, with and without each kind."""

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np

from goalkit import Dataset, Splits
from goalkit.datasets.augmentation import Augmentation, Deletion, Notes, Numbers, Swap, Synonyms, Typos, augment
from goalkit.evaluation import ngram_baseline

SIZES, SEEDS = (100, 500, 2000), range(5)
STRENGTHS = (0.1, 0.3, 0.6)
COPIES = 4
KINDS: dict[str, Callable[[float], Augmentation]] = {
    "synonyms": lambda strength: Synonyms(strength=strength),
    "typos": lambda strength: Typos(strength=strength),
    "numbers": lambda strength: Numbers(strength=strength),
    "notes": lambda strength: Notes(strength=strength),
    "deletion": lambda strength: Deletion(strength=strength),
    "swap": lambda strength: Swap(strength=strength),
}


def measure(data: Path | None, *, sizes: Sequence[int] = SIZES, seeds: Sequence[int] = SEEDS) -> dict[str, Any]:
    """For each size and seed, split the goals, choose the strength on the validation part, and score the test part once."""
    goals, runs = Dataset.goals().clean(), []
    for seed in seeds:
        splits = goals.split(seed=seed)
        for size in sizes:
            train = splits.train.take(range(size))
            runs.append(_run("none", seed, size, 0.0, train, splits))
            for kind, build in KINDS.items():
                grown = {
                    strength: augment(
                        train, [build(strength)], copies=COPIES, seed=seed, apart_from=[splits.validation, splits.test]
                    )
                    for strength in STRENGTHS
                }
                strength = max(STRENGTHS, key=lambda each: _mean(_scores(grown[each], splits.validation)))
                runs.append(_run(kind, seed, size, strength, grown[strength], splits))
    return {
        "goals": len(goals),
        "validation": len(splits.validation),
        "test": len(splits.test),
        "sizes": list(sizes),
        "seeds": list(seeds),
        "strengths": list(STRENGTHS),
        "copies": COPIES,
        "runs": runs,
    }


def _run(kind: str, seed: int, size: int, strength: float, train: Dataset, splits: Splits) -> dict[str, Any]:
    scores = _scores(train, splits.test)
    return {"kind": kind, "seed": seed, "size": size, "strength": strength, "rows": len(train), "macro_f1": scores}


def _scores(train: Dataset, side: Dataset) -> dict[str, float]:
    """Return the macro-F1 score on `side` for each task."""
    return {score.task: score.macro_f1 for score in ngram_baseline(Splits(train, side, side))}


def _mean(scores: dict[str, float]) -> float:
    return float(np.mean(list(scores.values())))


def page(found: dict[str, Any], where: str) -> str:
    """Return the section of docs/benchmarks.md."""
    scores = {(run["kind"], run["size"], run["seed"]): run["macro_f1"] for run in found["runs"]}
    kinds, sizes, seeds = list(dict.fromkeys(run["kind"] for run in found["runs"])), found["sizes"], found["seeds"]
    tasks = list(found["runs"][0]["macro_f1"])

    def spread(kind: str, size: int, chosen: list[str]) -> tuple[float, float]:
        """Return mean and standard deviation over the seeds, in points: of macro-F1 without augmentation, else of the gain."""
        values = [
            100
            * mean(scores[kind, size, seed][task] - (kind != "none" and scores["none", size, seed][task]) for task in chosen)
            for seed in seeds
        ]
        return mean(values), stdev(values)

    lines = [
        "| augmentation | task | " + " | ".join(f"{size:,} goals" for size in sizes) + " |",
        "|---|---|" + "---|" * len(sizes),
    ]
    for kind in kinds:
        for name, chosen in [*((task, [task]) for task in tasks), ("**mean**", tasks)]:
            cells = [spread(kind, size, chosen) for size in sizes]
            style = "{:.1f} ± {:.1f}" if kind == "none" else "{:+.1f} ± {:.1f}"
            lines.append(f"| {kind} | {name} | " + " | ".join(style.format(*cell) for cell in cells) + " |")
    gains = {(kind, size): spread(kind, size, tasks) for kind in kinds if kind != "none" for size in sizes}
    helped = [f"{kind} at {size:,} (+{gain:.1f})" for (kind, size), (gain, by) in gains.items() if gain > by]
    harmed = [f"{kind} at {size:,} ({gain:.1f})" for (kind, size), (gain, by) in gains.items() if gain < -by]
    idle = [kind for kind in kinds if kind != "none" and not any(gains[kind, size][0] > gains[kind, size][1] for size in sizes)]
    return "\n".join(
        [
            "## Augmentation",
            "",
            "Does it help a small training set? Macro-F1, in points, of character n-grams with a linear SVM, fitted on some "
            f"goals and on up to {found['copies']} variants of each. The table has the score without augmentation, else the "
            f"gain: mean and standard deviation over {len(seeds)} seeds, each with its own split. For each seed the strength "
            f"(one of {', '.join(map(str, found['strengths']))}) is chosen on about {found['validation']:,} validation goals, "
            f"and about {found['test']:,} test goals are scored once.",
            "",
            *lines,
            "",
            "**What helps**, on the mean of the tasks and by more than the spread over seeds: "
            f"{'; '.join(helped) or 'nothing'}. "
            f"**What does not help** at any size: {', '.join(idle) or 'none'}. **What harms** by more than the spread: "
            f"{'; '.join(harmed) or 'nothing'}. "
            "That is a rough yardstick, not a test of significance: the splits of the seeds share goals. "
            "The goals are written by a language model, not collected from people. The model is n-grams and not a "
            "transformer, which may gain more or less. Back-translation and filling by a masked language model are not "
            "measured, as no published models were available.",
            "",
            where,
            "",
        ]
    )
