"""What the data must reach for a quality report to pass."""

from __future__ import annotations

import attrs

from goalkit.configuration import between

_share = between(0, 1)


@attrs.frozen(kw_only=True)
class QualityLimits:
    """The limits of `quality_report`. Shares are of rows, 0 to 1, unless said otherwise.

    Args:
        empty: most rows without a visible character.
        garbled: most rows read with a wrong encoding, or holding replacement characters.
        invisible: most rows with control or invisible characters.
        not_chinese: most rows without any Chinese character.
        longest: characters that a text may have; 126 and two special tokens fill a model of 128 tokens.
        too_long: most rows that have more.
        alike_labels: most groups of a task's labels that differ only by case, width or spaces.
        label_balance: least rows of a task's rarest label, against an even share.
        label_ratio: most rows of the commonest label, in multiples of the rarest.
        combination_balance: least rows of the rarest combination of labels, against an even share.
        combination_ratio: most rows of the commonest combination, in multiples of the rarest.
        repeated: most rows that repeat an earlier text.
        near_duplicates: most rows that have a near-duplicate.
        templates: most rows whose skeleton occurs more than twice.
        contradictions: most rows whose very text has other labels elsewhere.
        near_contradictions: most rows with a near-duplicate that has other labels.
        unknown_pieces: largest share of tokens that the vocabulary lacks.
        unknown_characters: largest share of characters that it lacks.
        label_errors: most rows of a task that are likely labelled wrong.
        baseline_accuracy: least share of right labels that character n-grams reach, out of fold.
        baseline_macro_f1: the same of the mean F1 score over labels.
        label_drift: largest total variation distance of a task's labels between two splits, 0 to 1.
        length_drift: largest Kolmogorov-Smirnov statistic of text lengths between two splits, 0 to 1.
        domain_drift: largest area under the ROC curve of a classifier that tells training from test texts; 0.5 is chance.
        leaks: most rows that have a near-duplicate, or what they were derived from, in another split.
        agreement: least Cohen's kappa of two labellings; 0.8 is the usual bar for labels to rely on
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
