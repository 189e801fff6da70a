"""Add derived rows to a dataset."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from tqdm.auto import tqdm

from goalkit.datasets.augmentation.contract import Augmentation
from goalkit.datasets.cleaning import clean_text
from goalkit.datasets.dataset import FEEDBACK, ORIGINAL, PARENT, PROVENANCE, TEXT, Dataset
from goalkit.datasets.duplicates import duplicate_groups
from goalkit.errors import ConfigurationError

logger = logging.getLogger(__name__)

FEW = 1000
"""Below this number of rows, no progress bar is shown."""


def augment(
    dataset: Dataset,
    augmentations: Sequence[Augmentation],
    *,
    copies: int = 1,
    seed: int = 0,
    allow_label_changes: bool = False,
    apart_from: Sequence[Dataset] = (),
) -> Dataset:
    """Append derived rows, with the labels of their original rows, to a dataset.

    The provenance of a derived row is the name of its augmentation. Its parent is the original text, so that both stay in the
    same part of a split. Only original and feedback rows are augmented. Variants that are empty, or equal to an existing text
    after cleaning, are not added. The result depends on the texts and the seed, not on the order of the rows.

    Args:
        dataset: usually the training part of a split; do not augment test data.
        augmentations: each is applied separately to the original texts.
        copies: maximum number of rows that each augmentation adds per row.
        seed: seed of the variants.
        allow_label_changes: accept augmentations that may change a label of the rows.
        apart_from: the other parts of the split. Derived rows in a group of near-duplicates with one of their rows are not
            added.

    Raises:
        ConfigurationError: there is no augmentation, two have the same name, one may change a label, or `copies` is below 1.
    """
    _check(dataset, augmentations, copies, allow_label_changes)
    source = sorted(
        (text, parent or text, labels)
        for text, parent, provenance, *labels in zip(
            dataset.texts,
            dataset.table[PARENT].to_pylist(),
            dataset.table[PROVENANCE].to_pylist(),
            *dataset.labels.values(),
            strict=True,
        )
        if provenance in (ORIGINAL, FEEDBACK)
    )
    known = {clean_text(text) for text in dataset.texts}
    result = dataset
    for augmentation in augmentations:
        augmentation.prepare([text for text, _, _ in source])
        rows = [
            (variant, parent, labels)
            for text, parent, labels in tqdm(source, desc=augmentation.name, unit="text", disable=len(source) < FEW)
            for variant in _fresh(augmentation.variants(text, _generator(seed, text, augmentation.name)), known, copies)
        ]
        logger.info("%s added %d rows to %d", augmentation.name, len(rows), len(source))
        if rows:
            texts, parents, labels = zip(*rows, strict=True)
            columns = dict(zip(dataset.labels, zip(*labels, strict=True), strict=True))
            result = result.extend(
                Dataset.from_columns(texts, columns, tasks=dataset.tasks, provenance=augmentation.name, parents=parents)
            )
    return _apart(result, len(dataset), apart_from) if apart_from else result


def _apart(grown: Dataset, given: int, others: Sequence[Dataset]) -> Dataset:
    """Drop rows from position `given` on that are in a group of near-duplicates with rows of `others`."""
    columns = [part.table[TEXT] for part in (grown, *others)]
    groups = duplicate_groups(pa.chunked_array([chunk for column in columns for chunk in column.chunks], pa.string()))
    close = np.isin(groups[: len(grown)], groups[len(grown) :])
    close[:given] = False
    if close.any():
        logger.info("left out %d derived rows close to rows of other parts", close.sum())
    return grown.take(np.flatnonzero(~close))


def _check(dataset: Dataset, augmentations: Sequence[Augmentation], copies: int, allow_label_changes: bool) -> None:
    names = Counter(augmentation.name for augmentation in augmentations)
    if not names or max(names.values()) > 1 or names.keys() & {ORIGINAL, FEEDBACK, ""}:
        raise ConfigurationError(
            f"the augmentations are {list(names.elements())}: give at least one, each once, and none called "
            f"{ORIGINAL} or {FEEDBACK}"
        )
    if copies < 1:
        raise ConfigurationError(f"copies is {copies!r}: it must be at least 1")
    for augmentation in augmentations:
        changed = [task.name for task in dataset.tasks if task.name in augmentation.may_change]
        if changed and not allow_label_changes:
            raise ConfigurationError(
                f"{augmentation.name} may change the labels for {', '.join(changed)}: leave it out, "
                "change its settings, or pass allow_label_changes=True and check the derived rows"
            )


def _fresh(variants: Iterator[str], known: set[str], copies: int) -> Iterator[str]:
    """Yield up to `copies` cleaned variants that are not in `known`, and add them to it."""
    found = 0
    for variant in map(clean_text, variants):
        if variant and variant not in known:
            known.add(variant)
            yield variant
            found += 1
            if found == copies:
                return


def _generator(seed: int, text: str, name: str) -> np.random.Generator:
    return np.random.default_rng(list(hashlib.sha256(f"{seed}\t{name}\t{text}".encode()).digest()))
