"""`quality_report`: run every check."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt

from goalkit.datasets.cleaning import clean_text
from goalkit.datasets.dataset import TEXT, Dataset
from goalkit.datasets.duplicates import duplicate_groups
from goalkit.datasets.quality.drift import split_checks
from goalkit.datasets.quality.figures import LabelFigures
from goalkit.datasets.quality.labels import agreement_checks, balance_checks, combinations_of, spelling_checks
from goalkit.datasets.quality.learning import Learned, features_of, learning_checks
from goalkit.datasets.quality.limits import QualityLimits
from goalkit.datasets.quality.repetition import group_sizes, repetition_checks
from goalkit.datasets.quality.report import QualityReport, Section
from goalkit.datasets.quality.texts import lengths_of, text_checks, vocabulary_checks
from goalkit.datasets.splits import Splits
from goalkit.errors import DatasetError
from goalkit.extras import extra
from goalkit.tokenization import WordPieceTokenizer

SAMPLE = 20_000
"""Maximum number of rows that a model learns from. If there are more, a random sample of this size is used."""

_LIBRARIES = ("goalkit", "cleanlab", "ftfy", "scikit-learn")

logger = logging.getLogger(__name__)


def quality_report(
    dataset: Dataset,
    *,
    splits: Splits | None = None,
    vocabulary_of: str | WordPieceTokenizer | None = None,
    relabelled: Dataset | None = None,
    limits: QualityLimits | None = None,
    remarks: Sequence[str] = (),
    seed: int = 0,
) -> QualityReport:
    """Measure the quality of labelled texts and compare it with limits. Pass uncleaned rows, as cleaning hides errors.

    Args:
        dataset: the N rows.
        splits: their three parts, to check for drift and leaks.
        vocabulary_of: name of a backbone, or a tokenizer, against whose vocabulary to check the texts.
        relabelled: all or some of the texts with independent labels.
        limits: the limits; defaults to `QualityLimits()`.
        remarks: sentences to include in the report, such as who made the second labelling.
        seed: seed of the folds, and of the sample of at most 20,000 rows that models learn from.

    Raises:
        DatasetError: no text has a visible character, or the second labelling has no text or no task in common.
        MissingPackageError: a required library is not installed.
        BackboneError: the backbone does not exist.
    """
    limits = limits or QualityLimits()
    made_with = _versions()
    tokenizer = _tokenizer(vocabulary_of) if isinstance(vocabulary_of, str) else vocabulary_of
    texts = dataset.texts
    cleaned = list(map(clean_text, texts))
    places = np.flatnonzero(np.fromiter(map(bool, cleaned), bool, len(cleaned)))
    if not len(places):
        raise DatasetError(f"none of the {len(dataset):,} texts has a visible character: read another column")
    filled = dataset.take(places)
    groups = duplicate_groups(filled.table[TEXT])
    chosen = np.arange(len(filled))
    if len(filled) > SAMPLE:
        chosen = np.sort(np.random.default_rng(seed).choice(len(filled), SAMPLE, replace=False))
        remarks = (*remarks, f"Models learned from {SAMPLE:,} of the {len(filled):,} rows, drawn at random with seed {seed}.")
    sample = filled.take(chosen)
    combinations = combinations_of(dataset)
    learned = _learn(sample, groups[chosen], places[chosen], limits, seed)
    logger.info("inspected %d rows, learned from %d", len(dataset), len(sample))
    return QualityReport(
        rows=len(dataset),
        digest=dataset.digest(),
        seed=seed,
        learned_from=len(sample),
        limits=limits,
        sections=(
            Section("Texts", text_checks(texts, cleaned, limits)),
            Section("Labels", spelling_checks(dataset, limits) + balance_checks(dataset, combinations, limits)),
            Section("Repetition", repetition_checks(filled, list(filter(None, cleaned)), groups, places + 1, limits)),
            Section("Vocabulary", vocabulary_checks(texts, sample.texts, tokenizer, limits)),
            Section("Learned", tuple(check for each in learned.values() for check in each.checks)),
            Section("Splits", split_checks(splits, limits, sample=SAMPLE, seed=seed)),
            Section("Agreement", agreement_checks(dataset, relabelled, limits)),
        ),
        labels=_label_figures(dataset, learned),
        combinations=combinations if len(dataset.tasks) > 1 else (),
        lengths=lengths_of(texts),
        group_sizes=group_sizes(groups),
        remarks=tuple(remarks),
        made_with=made_with,
    )


def _learn(
    sample: Dataset, groups: npt.NDArray[np.int64], places: npt.NDArray[Any], limits: QualityLimits, seed: int
) -> dict[str, Learned]:
    from tqdm.auto import tqdm

    features = features_of(sample.texts)
    return {
        task.name: learning_checks(sample, task, features, groups, lambda row: int(places[row]) + 1, limits, seed=seed)
        for task in tqdm(sample.tasks, desc="learning", unit="task", disable=len(sample) < 1000)
    }


def _label_figures(dataset: Dataset, learned: dict[str, Learned]) -> tuple[LabelFigures, ...]:
    return tuple(
        LabelFigures(
            task=task,
            label=label,
            rows=rows,
            learned_from=learned[task].rows.get(label, 0),
            likely_errors=learned[task].likely_errors.get(label),
            f1=learned[task].f1.get(label),
        )
        for task, counts in dataset.label_counts().items()
        for label, rows in counts.items()
    )


def _tokenizer(backbone: str) -> WordPieceTokenizer:
    from goalkit.backbones import find_backbone

    return WordPieceTokenizer(tuple(find_backbone(backbone).vocabulary()))


def _versions() -> dict[str, str]:
    with extra("data"):
        return {library: version(library) for library in _LIBRARIES}
