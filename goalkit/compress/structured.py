"""Structured pruning: whole heads, feed-forward columns and layers are left out, and the others learn to do without them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import attrs
import numpy as np

from goalkit.backbones import MULTIPLE
from goalkit.backbones.transformer_layer import narrow_layers, transformer_layers
from goalkit.compress.contract import CompressionContext, Technique
from goalkit.compress.importance import most_important, unit_importance
from goalkit.compress.inputs import representative_texts
from goalkit.compress.layers import large_layers
from goalkit.configuration import between
from goalkit.errors import ConfigurationError
from goalkit.model import GoalModel
from goalkit.student import student_of


@attrs.frozen(kw_only=True)
class StructuredPruning(Technique):
    """Leaves out the parts of the encoder on which its predictions depend least, and fine-tunes the rest.

    Unlike `Pruning`, this makes layers smaller, so that every form of weights takes less space, and every device less time.
    The widths that are left are multiples of 32, and differ from layer to layer: heads and columns are compared over all
    layers. Their importance is measured on texts, without labels (see `goalkit.compress.importance.unit_importance`). Layers
    are left out first, one after the other: the one without which embeddings change least.

    The texts are the unlabelled ones, if there are any, or else the training rows; of many, 1,024, evenly spaced.

    Args:
        heads: share of the attention heads to leave out.
        feed_forward: share of the columns between the two matrices of the feed-forward networks to leave out.
        layers: number of layers to leave out.
        epochs: maximum number of passes over the training rows afterwards; 0: no fine-tuning.
        learning_rate: of the fine-tuning.
    """

    name = "structured-pruning"
    heads: float = attrs.field(default=0.25, validator=between(0, 0.99))
    feed_forward: float = attrs.field(default=0.5, validator=between(0, 0.99))
    layers: int = attrs.field(default=0, validator=between(0, whole=True))
    epochs: int = attrs.field(default=3, validator=between(0, whole=True))
    learning_rate: float = attrs.field(default=1e-4, validator=between(0, 1, above=True))

    def __attrs_post_init__(self) -> None:
        if not (self.heads or self.feed_forward or self.layers):
            raise ConfigurationError("heads, feed_forward and layers are 0, so nothing is left out: change at least one")

    def apply(self, model: GoalModel, context: CompressionContext) -> GoalModel:
        """See `Technique.apply`; needs splits unless `epochs` is 0 and there are texts, and uses a folder if it is given."""
        from goalkit.training import Trainer

        list(large_layers(model))  # refuses weights that are compressed or not finite
        splits = context.require("splits", self) if self.epochs else None
        texts = representative_texts(context, self)
        smaller = _without_layers(model.copy().eval(), self.layers, texts)
        if self.heads or self.feed_forward:
            self._narrow(smaller, texts, context)
        if splits is None:
            return smaller
        trainer = Trainer(epochs=self.epochs, learning_rate=self.learning_rate, seed=context.seed)
        folder = context.folder
        return trainer.fit(smaller, splits, folder=folder, resume=folder is not None, progress=context.progress).model

    def _narrow(self, model: GoalModel, texts: Sequence[str], context: CompressionContext) -> None:
        heads, columns = unit_importance(model, texts, progress=context.progress)
        size = transformer_layers(model.encoder)[0].head_size
        narrow_layers(
            model.encoder,
            most_important(heads, self.heads, MULTIPLE // math.gcd(MULTIPLE, size), "heads"),
            most_important(columns, self.feed_forward, MULTIPLE, "feed-forward columns"),
        )


def _without_layers(model: GoalModel, number: int, texts: Sequence[str]) -> GoalModel:
    """Return a model without the layers that its embeddings of the texts depend on least, chosen one after the other."""
    if number >= (present := len(model.encoder.anatomy().layers)):
        raise ConfigurationError(f"layers is {number}, and the encoder has {present}: leave at least one")
    embeddings = model.embed(texts)

    def change(shorter: GoalModel) -> float:
        return float(np.square(shorter.embed(texts) - embeddings).sum())

    for left in range(present, present - number, -1):
        model = min((student_of(model, [each for each in range(left) if each != gone]) for gone in range(left)), key=change)
    return model
