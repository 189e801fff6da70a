"""Checks of labels: spelling, balance, and agreement with a second labelling."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable

from goalkit.datasets.dataset import Dataset
from goalkit.datasets.quality.figures import Combination
from goalkit.datasets.quality.limits import QualityLimits
from goalkit.datasets.quality.report import Check, Example, at_least, at_most, shortened
from goalkit.datasets.spelling import alike_labels
from goalkit.errors import DatasetError
from goalkit.extras import extra

_DISAGREEMENTS = 20


def spelling_checks(dataset: Dataset, limits: QualityLimits) -> tuple[Check, ...]:
    """Check each task for labels that differ only by case, width or spaces."""
    checks = []
    for name, counts in dataset.label_counts().items():
        groups = alike_labels(counts)
        examples = [Example(shortened(label), f"{rows:,} rows") for group in groups for label, rows in group.items()]
        detail = f"groups of {len(counts)} labels differ only by case, width or spaces"
        checks.append(
            at_most(f"alike labels of {name}", len(groups), limits.alike_labels, detail, unit="count", examples=examples)
        )
    return tuple(checks)


def balance_checks(dataset: Dataset, combinations: Iterable[Combination], limits: QualityLimits) -> tuple[Check, ...]:
    """Check the balance of the labels of each task and, for several tasks, of the combinations of labels."""
    checks: list[Check] = []
    for name, counts in dataset.label_counts().items():
        checks += _balance(name, list(counts.items()), limits.label_balance, limits.label_ratio)
    if len(dataset.tasks) > 1:
        joined = [(" · ".join(each.labels), each.rows) for each in combinations]
        checks += _balance("combinations", joined, limits.combination_balance, limits.combination_ratio)
    return tuple(checks)


def combinations_of(dataset: Dataset) -> tuple[Combination, ...]:
    """Return every possible combination of labels, in label order, with its number of rows, which may be 0."""
    counts = Counter(zip(*dataset.labels.values(), strict=True))
    return tuple(Combination(labels, counts[labels]) for labels in itertools.product(*(task.labels for task in dataset.tasks)))


def _balance(name: str, counts: list[tuple[str, int]], least: float, most: float) -> tuple[Check, Check]:
    ranked = sorted(counts, key=lambda each: each[1])
    (rarest, fewest), (commonest, largest) = ranked[0], ranked[-1]
    even = sum(count for _, count in counts) / len(counts)
    examples = [Example(label, f"{count:,} rows") for label, count in (ranked[:3] if len(ranked) > 5 else ranked)]
    ratio = largest / fewest if fewest else None
    detail = f"{commonest} has {largest:,} rows, {rarest} {fewest:,}" if fewest else f"{rarest} has no rows at all"
    return (
        at_least(
            f"balance of {name}",
            fewest / even,
            least,
            f"of an even share ({even:,.0f} rows) for {rarest}",
            unit="share",
            examples=examples,
        ),
        at_most(f"ratio of {name}", ratio, most, detail, unit="number"),
    )


def agreement_checks(dataset: Dataset, relabelled: Dataset | None, limits: QualityLimits) -> tuple[Check, ...]:
    """Compute Cohen's kappa per task (Cohen, 1960) between the labels and a second labelling, matched by text.

    Raises:
        DatasetError: the second labelling has no text or no task in common with the data.
    """
    with extra("data"):
        from sklearn.metrics import cohen_kappa_score

    if relabelled is None:
        detail = "no second labelling was given"
        return tuple(at_least(f"agreement on {task.name}", None, limits.agreement, detail) for task in dataset.tasks)
    second = {text: row for row, text in reversed(list(enumerate(relabelled.texts)))}
    texts = dataset.texts
    first = {text: row for row, text in reversed(list(enumerate(texts))) if text in second}
    shared = [task.name for task in dataset.tasks if task.name in relabelled.labels]
    if not first or not shared:
        raise DatasetError(
            f"the second labelling has {len(first)} texts and the tasks {', '.join(shared) or 'none'} in common with the data: "
            "give the same texts, unchanged, with the same tasks"
        )
    checks = []
    for name in shared:
        ours, theirs = dataset.labels[name], relabelled.labels[name]
        pairs = [(row, ours[row], theirs[second[text]]) for text, row in sorted(first.items(), key=lambda each: each[1])]
        differing = [(row, one, other) for row, one, other in pairs if one != other]
        examples = [
            Example(shortened(texts[row]), f"{one} here, {other} in the second labelling", row + 1)
            for row, one, other in differing[:_DISAGREEMENTS]
        ]
        detail = f"Cohen's kappa; {len(differing)} of {len(pairs):,} texts are labelled differently"
        kappa = None
        if len({label for _, *labels in pairs for label in labels}) > 1:
            kappa = float(cohen_kappa_score([one for _, one, _ in pairs], [other for _, _, other in pairs]))
        else:
            detail = "all labels are equal, so kappa is not defined"
        checks.append(at_least(f"agreement on {name}", kappa, limits.agreement, detail, examples=examples))
    return tuple(checks)
