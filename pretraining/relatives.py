"""Texts related to goals, for a teacher that knows goals: everyday texts like them, and recombined parts of them."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

NUMBER = re.compile(r"\d+(\.\d+)?")
NUMBERS = (1, 2, 3, 5, 8, 10, 12, 15, 20, 30, 40, 50, 60, 80, 100, 150, 200, 300, 500, 1000, 2000, 5000, 10000)
LONGEST = 60
CONTRAST = 40_000
"""Everyday texts that goals are told from."""


def recombined(goals: Sequence[str], count: int, *, seed: int = 0) -> list[str]:
    """Return distinct texts, none of them a goal: two goals joined, or one without a span or with a span of another one.

    They are often not fluent. A teacher's probabilities for them say what in a text decides.

    Args:
        goals: goals to take the parts from.
        count: number of texts.
        seed: decides all choices.
    """
    random, known, found = np.random.default_rng(seed), set(goals), dict[str, None]()
    while len(found) < count:
        text, kind = goals[random.integers(len(goals))], random.random()
        if kind < 0.5:
            other = goals[random.integers(len(goals))]
            stop, start = int(random.integers(1, len(text) + 1)), int(random.integers(0, len(other)))
            text = text[:stop] + other[start:]
        elif kind < 0.75:
            start, stop = _span(text, random)
            text = text[:start] + text[stop:]
        else:
            other = goals[random.integers(len(goals))]
            start, stop = _span(text, random)
            first, last = _span(other, random)
            text = text[:start] + other[first:last] + text[stop:]
        if random.random() < 0.3:
            text = NUMBER.sub(lambda _: str(random.choice(NUMBERS)), text)
        text = text.strip()[:LONGEST]
        if len(text) >= 2 and text not in known:
            found[text] = None
    return list(found)


def _span(text: str, random: np.random.Generator) -> tuple[int, int]:
    """Return start and end of a third of the text at most."""
    size = int(random.integers(1, max(2, len(text) // 3 + 1)))
    start = int(random.integers(0, max(1, len(text) - size + 1)))
    return start, start + size


def like_goals(texts: Sequence[str], goals: Sequence[str], count: int, *, seed: int = 0) -> list[str]:
    """Return the texts that a linear classifier of character n-grams finds most like goals."""
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.linear_model import SGDClassifier

    vectorizer = HashingVectorizer(analyzer="char", ngram_range=(1, 2), n_features=2**18)
    random = np.random.default_rng(seed)
    others = [texts[place] for place in random.choice(len(texts), min(CONTRAST, len(texts)), replace=False)]
    truth = [1] * len(goals) + [0] * len(others)
    classifier = SGDClassifier(loss="log_loss", alpha=1e-6, class_weight="balanced", random_state=seed)
    classifier.fit(vectorizer.transform([*goals, *others]), truth)
    order = np.argsort(-classifier.decision_function(vectorizer.transform(texts)))
    return [texts[place] for place in order[:count]]
