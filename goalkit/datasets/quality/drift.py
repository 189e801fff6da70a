"""Checks of splits: drift between the parts, and leaks."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np
import pyarrow as pa

from goalkit.datasets.dataset import PARENT, TEXT, Dataset
from goalkit.datasets.quality.learning import MIN_ROWS, features_of, out_of_fold
from goalkit.datasets.quality.limits import QualityLimits
from goalkit.datasets.quality.report import SHOWN, Check, Example, at_most, shortened
from goalkit.datasets.splits import SIDES, Splits, families
from goalkit.extras import extra

_NAMES = ("label drift", "length drift", "domain drift", "leaks")


def split_checks(splits: Splits | None, limits: QualityLimits, *, sample: int, seed: int) -> tuple[Check, ...]:
    """Return checks of the drift from training to validation and test, and of leaks between parts.

    Args:
        splits: the three parts; if None, the checks are not measured.
        limits: the limits of the checks.
        sample: maximum number of texts for the classifier of training against test texts.
        seed: seed of the sample and of the folds.
    """
    bounds = (limits.label_drift, limits.length_drift, limits.domain_drift)
    if splits is None:
        detail = "no splits were given"
        drift = tuple(at_most(name, None, bound, detail, unit="number") for name, bound in zip(_NAMES, bounds, strict=False))
        return (*drift, at_most(_NAMES[3], None, limits.leaks, detail, unit="count"))
    sides: dict[str, Dataset] = attrs.asdict(splits, recurse=False)
    if min(map(len, sides.values())) < MIN_ROWS:
        detail = f"a split has fewer than {MIN_ROWS} rows, too few to compare"
        drift = tuple(at_most(name, None, bound, detail, unit="number") for name, bound in zip(_NAMES, bounds, strict=False))
        return (*drift, _leaks(sides, limits))
    return (
        _label_drift(sides, limits),
        _length_drift(sides, limits),
        _domain_drift(splits, limits, sample, seed),
        _leaks(sides, limits),
    )


def _label_drift(sides: Mapping[str, Dataset], limits: QualityLimits) -> Check:
    shares = {
        side: {task: np.array(list(counts.values())) / len(rows) for task, counts in rows.label_counts().items()}
        for side, rows in sides.items()
    }
    distance, task, side = max(
        (float(np.abs(found - shares["train"][task]).sum() / 2), task, side)
        for side in ("validation", "test")
        for task, found in shares[side].items()
    )
    detail = f"is the largest total variation distance of labels: {task}, train against {side}"
    return at_most(_NAMES[0], distance, limits.label_drift, detail, unit="number")


def _length_drift(sides: Mapping[str, Dataset], limits: QualityLimits) -> Check:
    with extra("data"):
        from scipy.stats import ks_2samp

    lengths = {side: [len(text) for text in rows.texts] for side, rows in sides.items()}
    distance, side = max(
        (float(ks_2samp(lengths["train"], lengths[side], method="asymp").statistic), side) for side in ("validation", "test")
    )
    detail = f"is the largest Kolmogorov-Smirnov statistic of text lengths: train against {side}"
    return at_most(_NAMES[1], distance, limits.length_drift, detail, unit="number")


def _domain_drift(splits: Splits, limits: QualityLimits, sample: int, seed: int) -> Check:
    with extra("data"):
        from sklearn.metrics import roc_auc_score

    random = np.random.default_rng(seed)
    texts: list[str] = []
    for side in (splits.train, splits.test):
        chosen = random.permutation(len(side))[: sample // 2]
        texts += side.take(np.sort(chosen).tolist()).texts
    ids = np.arange(len(texts)) >= min(len(splits.train), sample // 2)
    features = features_of(texts)
    if features is None:
        return at_most(_NAMES[2], None, limits.domain_drift, "the texts have no characters in common", unit="number")
    probabilities = out_of_fold(features, ids.astype(np.int64), np.arange(len(texts)), seed)
    area = float(roc_auc_score(ids, probabilities[:, 1]))
    detail = f"is the area under the ROC curve of an n-gram classifier of {len(texts):,} train and test texts; 0.5 is chance"
    return at_most(_NAMES[2], area, limits.domain_drift, detail, unit="number")


def _leaks(sides: Mapping[str, Dataset], limits: QualityLimits) -> Check:
    rows = pa.concat_tables([sides[side].table.select([TEXT, PARENT]) for side in SIDES])
    family = families(rows[TEXT], rows[PARENT])
    side_of = np.repeat(np.arange(len(SIDES)), [len(sides[side]) for side in SIDES])
    spread = np.bincount(np.unique(family * len(SIDES) + side_of) // len(SIDES))
    leaking = np.flatnonzero(spread[family] > 1)
    first: dict[tuple[int, int], int] = {}
    for row in leaking.tolist():
        first.setdefault((int(family[row]), int(side_of[row])), row)
    shown = list(dict.fromkeys(number for number, _ in first))[:SHOWN]
    examples = [
        Example(shortened(rows[TEXT][row].as_py()), f"in {SIDES[side]}")
        for number in shown
        for (other, side), row in first.items()
        if other == number
    ]
    detail = "have a near-duplicate or their parent in another split"
    return at_most(_NAMES[3], len(leaking), limits.leaks, detail, unit="count", examples=examples)
