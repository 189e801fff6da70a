"""The limits of a quality report."""

from __future__ import annotations

import attrs

from goalkit.configuration import between

_share = between(0, 1)


@attrs.frozen(kw_only=True)
class QualityLimits:
    """The limits of `quality_report`. Unless noted otherwise, values are shares of rows, 0 to 1.

    Args:
        empty: maximum of rows without a visible character.
        garbled: maximum of rows read with a wrong encoding, or with replacement characters.
        invisible: maximum of rows with control or invisible characters.
        not_chinese: maximum of rows without any Chinese character.
        longest: maximum number of characters per text; 126 and two special tokens fill 128 tokens.
        too_long: maximum of rows with more characters than `longest`.
        alike_labels: maximum number of groups of a task's labels that differ only by case, width or spaces.
        label_balance: minimum of rows of a task's rarest label, relative to an even share.
        label_ratio: maximum ratio of the rows of the most common label to those of the rarest.
        combination_balance: minimum of rows of the rarest combination of labels, relative to an even share.
        combination_ratio: maximum ratio of the rows of the most common combination to those of the rarest.
        repeated: maximum of rows that repeat an earlier text.
        near_duplicates: maximum of rows that have a near-duplicate.
        templates: maximum of rows whose skeleton occurs more than twice.
        contradictions: maximum of rows whose exact text has other labels elsewhere.
        near_contradictions: maximum of rows with a near-duplicate that has other labels.
        unknown_pieces: maximum share of tokens that are unknown to the vocabulary.
        unknown_characters: maximum share of characters that are unknown to it.
        label_errors: maximum of rows of a task with likely label errors.
        baseline_accuracy: minimum accuracy of character n-grams, out of fold.
        baseline_macro_f1: minimum mean F1 score over labels, of the same predictions.
        label_drift: maximum total variation distance of a task's labels between two splits, 0 to 1.
        length_drift: maximum Kolmogorov-Smirnov statistic of text lengths between two splits, 0 to 1.
        domain_drift: maximum area under the ROC curve of a classifier of training against test texts; 0.5 is chance.
        leaks: maximum number of rows that have a near-duplicate or their parent in another split.
        agreement: minimum Cohen's kappa of two labellings; 0.8 is the usual threshold for reliable labels
            (Krippendorff, 2004, Content Analysis).
    """

    empty: float = attrs.field(default=0.0, validator=_share)
    garbled: float = attrs.field(default=0.001, validator=_share)
    invisible: float = attrs.field(default=0.001, validator=_share)
    not_chinese: float = attrs.field(default=0.05, validator=_share)
    longest: int = attrs.field(default=126, validator=between(1, whole=True))
    too_long: float = attrs.field(default=0.01, validator=_share)
    alike_labels: int = attrs.field(default=0, validator=between(0, whole=True))
    label_balance: float = attrs.field(default=0.5, validator=_share)
    label_ratio: float = attrs.field(default=3.0, validator=between(1))
    combination_balance: float = attrs.field(default=0.25, validator=_share)
    combination_ratio: float = attrs.field(default=5.0, validator=between(1))
    repeated: float = attrs.field(default=0.01, validator=_share)
    near_duplicates: float = attrs.field(default=0.05, validator=_share)
    templates: float = attrs.field(default=0.01, validator=_share)
    contradictions: float = attrs.field(default=0.001, validator=_share)
    near_contradictions: float = attrs.field(default=0.02, validator=_share)
    unknown_pieces: float = attrs.field(default=0.01, validator=_share)
    unknown_characters: float = attrs.field(default=0.01, validator=_share)
    label_errors: float = attrs.field(default=0.05, validator=_share)
    baseline_accuracy: float = attrs.field(default=0.6, validator=_share)
    baseline_macro_f1: float = attrs.field(default=0.6, validator=_share)
    label_drift: float = attrs.field(default=0.1, validator=_share)
    length_drift: float = attrs.field(default=0.1, validator=_share)
    domain_drift: float = attrs.field(default=0.6, validator=between(0.5, 1))
    leaks: int = attrs.field(default=0, validator=between(0, whole=True))
    agreement: float = attrs.field(default=0.8, validator=between(-1, 1))


GOAL_LIMITS = QualityLimits(combination_ratio=8.0, label_errors=0.1)
"""Those of the shipped goals. Two are wider than by default: combinations of labels are as uneven as people's, and n-grams,
which suspect errors, do not see how much work is behind a short note."""
