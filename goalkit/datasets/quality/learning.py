"""Checks with a model: likely label errors, and the accuracy of character n-grams.

The model is a logistic regression on TF-IDF of character 1- to 3-grams, with predictions by 5-fold cross-validation.
Near-duplicates are in the same fold.
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

MIN_ROWS = 100
"""With fewer rows, the results of a model are not meaningful."""

SUSPECTS = 20


@attrs.frozen
class Learned:
    """Results for one task: the checks and, per label, the rows used, the likely errors and the F1 score."""

    checks: tuple[Check, ...]
    rows: dict[str, int]
    likely_errors: dict[str, int]
    f1: dict[str, float]


def features_of(texts: Sequence[str]) -> Any:
    """Return TF-IDF of the character 1- to 3-grams that occur in at least two texts, sparse [N, F]; None if there are none."""
    with extra("data"):
        from sklearn.feature_extraction.text import TfidfVectorizer

    try:
        return TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True, min_df=2).fit_transform(texts)
    except ValueError:  # scikit-learn's error for an empty vocabulary
        return None


def out_of_fold(features: Any, ids: npt.NDArray[np.int64], groups: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.float64]:
    """Return out-of-fold probabilities, [N, K]: the model for a row was fitted without the row and its group.

    Args:
        features: sparse [N, F].
        ids: labels from 0 to K - 1, int [N], each at least five times.
        groups: group numbers, int [N]; a group stays in one fold.
        seed: seed of the folds and of the solver.
    """
    with extra("data"):
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    if len(np.unique(groups)) == len(groups):  # keeping groups together would be slow and change nothing
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
) -> Learned:
    """Find likely label errors of one task by confident learning (Northcutt et al., 2021, arXiv 1911.00068), and a baseline.

    Args:
        dataset: N rows, none of them empty.
        task: one of its tasks. Labels with fewer rows than there are folds are left out.
        features: features of the N texts, sparse [N, F], or None.
        groups: group numbers of near-duplicates, int [N].
        place: returns the row number to show for a row.
        limits: the limits of the checks.
        seed: seed of the folds.
    """
    ids = dataset.label_ids(task)
    present = [number for number, count in enumerate(np.bincount(ids, minlength=len(task.labels))) if count >= FOLDS]
    rows = np.flatnonzero(np.isin(ids, present))
    if features is None or len(rows) < MIN_ROWS or len(present) < 2:
        detail = f"needs at least {MIN_ROWS} rows with common n-grams, and two labels with at least {FOLDS} rows each"
        return Learned(_checks(task.name, (None, None, None), limits, (detail, detail, detail)), {}, {}, {})
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
    accuracy = "of the labels are predicted by a logistic regression on character n-grams, out of fold"
    macro_f1 = "is the mean F1 score over labels, of the same predictions"
    values = (len(suspects) / len(rows), float(np.mean(given == suggested)), float(f1.mean()))
    counts = np.bincount(given, minlength=len(labels)).tolist()
    errors = np.bincount(given[suspects], minlength=len(labels)).tolist()
    return Learned(
        _checks(task.name, values, limits, (found, accuracy, macro_f1), examples),
        dict(zip(labels, counts, strict=True)),
        dict(zip(labels, errors, strict=True)),
        dict(zip(labels, map(float, f1), strict=True)),
    )


def _checks(
    name: str,
    values: tuple[float | None, float | None, float | None],
    limits: QualityLimits,
    details: tuple[str, str, str],
    suspects: Sequence[Example] = (),
) -> tuple[Check, ...]:
    return (
        at_most(f"likely label errors of {name}", values[0], limits.label_errors, details[0], examples=suspects),
        at_least(f"baseline accuracy on {name}", values[1], limits.baseline_accuracy, details[1], unit="share"),
        at_least(f"baseline macro-F1 on {name}", values[2], limits.baseline_macro_f1, details[2], unit="share"),
    )
