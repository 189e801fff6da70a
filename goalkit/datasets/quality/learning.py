"""Checks that take a model: rows that are likely labelled wrong, and how far character n-grams get.

A logistic regression on TF-IDF of 1- to 3-grams of characters is fitted on four fifths of the rows and asked about the
last, five times; near-duplicates stay in one fifth.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from goalkit.datasets.dataset import Dataset
from goalkit.datasets.quality.limits import QualityLimits
from goalkit.datasets.quality.report import Check, Example, at_least, at_most, shortened
from goalkit.extras import extra
from goalkit.tasks import Task

FOLDS = 5

FEWEST_ROWS = 100
"""With fewer rows than this, what a model learns from them says nothing."""

SUSPECTS = 20


@attrs.frozen
class Learnt:
    """What was learnt of one task: the checks, and for each label the rows used, the likely errors and the F1 score."""

    checks: tuple[Check, ...]
    rows: dict[str, int]
    likely_errors: dict[str, int]
    f1: dict[str, float]


def features_of(texts: Sequence[str]) -> Any:
    """TF-IDF of the 1- to 3-grams of characters that two texts or more have, sparse [N, F]; None if there are none."""
    with extra("data"):
        from sklearn.feature_extraction.text import TfidfVectorizer

    try:
        return TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True, min_df=2).fit_transform(texts)
    except ValueError:  # scikit-learn's word for an empty vocabulary
        return None


def out_of_fold(features: Any, ids: npt.NDArray[np.int64], groups: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.float64]:
    """Probabilities of K labels for N rows, [N, K], each by a model that saw neither the row nor one of its group.

    Args:
        features: sparse [N, F].
        ids: labels from 0 to K - 1, int [N]; each at least five times.
        groups: rows that stay in one fold have the same number, int [N].
        seed: of the folds, and of the order in which the solver takes rows.
    """
    with extra("data"):
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    if len(np.unique(groups)) == len(groups):  # keeping groups together would take long and change nothing
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(features, ids)
    else:
        folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed).split(features, ids, groups)
    probabilities = np.zeros((len(ids), int(ids.max()) + 1))
    for fitted, asked in folds:
        seen = np.unique(ids[fitted])
        if len(seen) == 1:
            probabilities[asked, seen[0]] = 1.0
            continue
        model = LogisticRegression(C=10.0, solver="saga", tol=1e-3, max_iter=1000, random_state=seed)
        model.fit(features[fitted], ids[fitted])
        probabilities[np.ix_(asked, seen)] = model.predict_proba(features[asked])
    return probabilities


def learning_checks(
    dataset: Dataset,
    task: Task,
    features: Any,
    groups: npt.NDArray[np.int64],
    place: Callable[[int], int],
    limits: QualityLimits,
    *,
    seed: int,
) -> Learnt:
    """Likely label errors of one task by confident learning (Northcutt et al., 2021, arXiv 1911.00068), and a baseline.

    Args:
        dataset: N rows, none of them empty.
        task: one of its tasks. Labels with fewer rows than there are folds are left out.
        features: of the N texts, sparse [N, F]; None if they have none.
        groups: which of them are near-duplicates, int [N].
        place: the number that a row has for the reader.
        limits: of the checks.
        seed: of the folds.
    """
    ids = dataset.label_ids(task)
    present = [number for number, count in enumerate(np.bincount(ids, minlength=len(task.labels))) if count >= FOLDS]
    rows = np.flatnonzero(np.isin(ids, present))
    if features is None or len(rows) < FEWEST_ROWS or len(present) < 2:
        told = (
            f"{FEWEST_ROWS} rows with something in common, of two labels with {FOLDS} or more each, are the least to learn from"
        )
        return Learnt(_checks(task.name, (None, None, None), limits, (told, told, told)), {}, {}, {})
    with extra("data"), warnings.catch_warnings():  # importing cleanlab silences every warning of the process, for good
        from cleanlab.filter import find_label_issues
        from sklearn.metrics import f1_score

    labels = [task.labels[number] for number in present]
    given = np.searchsorted(present, ids[rows])
    probabilities = out_of_fold(features[rows], given, groups[rows], seed)
    suggested = probabilities.argmax(1)
    suspects = find_label_issues(given, probabilities, return_indices_ranked_by="self_confidence", n_jobs=1)
    texts = dataset.texts
    examples = [
        Example(
            shortened(texts[rows[each]]),
            f"{labels[given[each]]} ({probabilities[each, given[each]]:.0%}), rather "
            f"{labels[suggested[each]]} ({probabilities[each, suggested[each]]:.0%})",
            place(int(rows[each])),
        )
        for each in suspects[:SUSPECTS]
    ]
    f1 = f1_score(given, suggested, labels=range(len(labels)), average=None, zero_division=0.0)
    found = f"{len(suspects):,} of {len(rows):,} rows, the most suspicious first, with the probabilities of two labels"
    accuracy = "of the labels are what character n-grams with a logistic regression say, out of fold"
    macro_f1 = "is the mean over labels of their F1 score, of the same predictions"
    values = (len(suspects) / len(rows), float(np.mean(given == suggested)), float(f1.mean()))
    counts = np.bincount(given, minlength=len(labels)).tolist()
    errors = np.bincount(given[suspects], minlength=len(labels)).tolist()
    return Learnt(
        _checks(task.name, values, limits, (found, accuracy, macro_f1), examples),
        dict(zip(labels, counts, strict=True)),
        dict(zip(labels, errors, strict=True)),
        dict(zip(labels, map(float, f1), strict=True)),
    )


def _checks(
    name: str,
    values: tuple[float | None, float | None, float | None],
    limits: QualityLimits,
    told: tuple[str, str, str],
    suspects: Sequence[Example] = (),
) -> tuple[Check, ...]:
    return (
        at_most(f"likely label errors of {name}", values[0], limits.label_errors, told[0], examples=suspects),
        at_least(f"baseline accuracy on {name}", values[1], limits.baseline_accuracy, told[1], unit="share"),
        at_least(f"baseline macro-F1 on {name}", values[2], limits.baseline_macro_f1, told[2], unit="share"),
    )
