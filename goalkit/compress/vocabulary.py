"""Vocabulary trimming: rows of the embedding table that no text needs, or only rare ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import attrs

from goalkit.compress.contract import CompressionContext, Technique
from goalkit.configuration import between
from goalkit.errors import ConfigurationError
from goalkit.model import GoalModel
from goalkit.student import student_of
from goalkit.tokenization import WordPieceTokenizer
from goalkit.weights import quantised_inputs, stored_weights


@attrs.frozen(kw_only=True)
class VocabularyTrimming(Technique):
    """Drops pieces of the vocabulary, and their rows of the embedding table, which is padded to a multiple of 32 rows.

    By default these are the pieces that no text is split into: a third of bert-base-chinese's, such as `##汉` and `[unused1]`.
    The embeddings of all texts remain the same, bit by bit. With `coverage`, rare pieces are dropped as well: texts with them
    are split otherwise, or have unknown pieces.

    Args:
        coverage: share of all pieces of the texts, counted with their repetitions, whose kinds are kept, most frequent first;
            above 0 and at most 1. The texts are the unlabelled ones, if there are any, or else the training rows.
    """

    name = "vocabulary-trimming"
    coverage: float | None = attrs.field(default=None, validator=attrs.validators.optional(between(0, 1, above=True)))

    def apply(self, model: GoalModel, context: CompressionContext) -> GoalModel:
        """See `Technique.apply`; with `coverage` it needs texts or splits."""
        if any(stored_weights(model)) or any(quantised_inputs(model)):
            raise ConfigurationError("the model is already compressed: trim its vocabulary first")
        tokenizer = model.tokenizer
        pieces = tokenizer.reachable()
        if self.coverage is not None:
            texts = context.texts or context.require("splits", self).train.texts
            kept = _covering(tokenizer, texts, self.coverage)
            pieces = [piece for piece in pieces if piece in kept]
        return student_of(model, tokenizer=tokenizer.with_pieces(pieces))


def _covering(tokenizer: WordPieceTokenizer, texts: Sequence[str], share: float) -> set[str]:
    """Return the most frequent pieces of texts that make up this share of all, and the special and added tokens."""
    found = set(tokenizer.reserved)
    counts = Counter(piece for text in texts for piece in tokenizer.pieces(text))
    missing = share * counts.total()
    for piece, count in counts.most_common():
        if missing <= 0:
            break
        found.add(piece)
        missing -= count
    return found
