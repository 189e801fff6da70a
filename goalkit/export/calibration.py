"""Calibration texts, on which half precision is checked, and which decide the operations that "mixed" keeps in float32."""

from __future__ import annotations

from typing import Self

import attrs
import numpy as np

from goalkit.classifier import Classifier
from goalkit.errors import ConfigurationError
from goalkit.export.texts import GIVEN, MADE_UP, ExampleTexts
from goalkit.model import GoalModel
from goalkit.tokenization import TokenBatch

COUNT = 32
"""Number of calibration texts by default."""


@attrs.frozen
class Calibration:
    """N texts, tokenised to the sequence length, and their kind: see `goalkit.export.texts`."""

    batch: TokenBatch
    kind: str

    @classmethod
    def given(cls, batch: TokenBatch, length: int) -> Self:
        """Use the caller's texts. Raises ConfigurationError unless they have `length` tokens, padding included."""
        if batch.input_ids.shape != batch.attention_mask.shape or batch.input_ids.shape[1:] != (length,) or not len(batch):
            raise ConfigurationError(
                f"calibration has the shape {list(batch.input_ids.shape)}: give ids and mask, [texts, {length}], tokenised to "
                "sequence_length"
            )
        return cls(batch, GIVEN)

    @classmethod
    def from_texts(cls, model: GoalModel, texts: ExampleTexts, length: int) -> Self:
        """Tokenise the first of `texts` with the model's own tokenizer."""
        return cls(model.tokenizer.encode(texts.texts[:COUNT], length), texts.kind)

    @classmethod
    def of(cls, model: Classifier, length: int) -> Self:
        """Return default texts for a model; for one without a tokenizer, random token ids."""
        if isinstance(model, GoalModel):
            return cls.from_texts(model, ExampleTexts.of(model, length), length)
        ids, mask = model.encoder.example_texts(length, COUNT)
        return cls(TokenBatch(ids.numpy().astype(np.int32), mask.numpy().astype(np.int32)), MADE_UP)

    def fitting(self, length: int) -> Self:
        """Return those texts, possibly none, that have at most `length` tokens."""
        rows = np.flatnonzero(self.batch.attention_mask.sum(1) <= length)
        return attrs.evolve(self, batch=self.batch.take(rows, length))

    def padded_with(self, padding_id: int) -> Self:
        """Return a copy with this id wherever the mask is 0, for a program that derives its mask from the padding id."""
        ids = np.where(self.batch.attention_mask == 1, self.batch.input_ids, padding_id).astype(np.int32)
        return attrs.evolve(self, batch=attrs.evolve(self.batch, input_ids=ids))

    def __str__(self) -> str:
        return f"{len(self.batch)} {self.kind}"
