"""Whether augmentation helps a small training set: char n-grams with a linear SVM, with and without each kind."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from goalkit import Dataset, Splits
from goalkit.datasets.augmentation import Augmentation, Deletion, Numbers, Swap, Synonyms, Typos, augment
from goalkit.training import ngram_baseline

SIZES, SEEDS = (100, 500, 2000), range(5)
STRENGTHS = (0.1, 0.3, 0.6)
COPIES = 4
KINDS: dict[str, Callable[[float], Augmentation]] = {
    "synonyms": lambda strength: Synonyms(strength=strength),
    "typos": lambda strength: Typos(strength=strength),
    "numbers": lambda strength: Numbers(strength=strength),
    "deletion": lambda strength: Deletion(strength=strength),
    "swap": lambda strength: Swap(strength=strength),
}


def measure(data: Path | None, *, sizes: Sequence[int] = SIZES, seeds: Sequence[int] = SEEDS) -> dict[str, Any]:
    """For each size and seed: a split of the goals, the strength chosen on its validation part, its test part scored once."""
    goals, runs = Dataset.goals().clean(), []
    for seed in seeds:
        splits = goals.split(seed=seed)
        for size in sizes:
            train = splits.train.take(range(size))
            runs.append(_run("none", seed, size, 0.0, train, splits))
            for kind, build in KINDS.items():
                grown = {strength: augment(train, [build(strength)], copies=COPIES, seed=seed) for strength in STRENGTHS}
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
    """Macro-F1 on `side` for each task."""
    return {score.task: score.macro_f1 for score in ngram_baseline(Splits(train, side, side))}


def _mean(scores: dict[str, float]) -> float:
    return float(np.mean(list(scores.values())))
