"""The student before its distillation: layers, and rows of the vocabulary, of the teacher, or random weights."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from goalkit import GOAL_TASKS, GoalModel
from goalkit.backbones import inherit_weights
from pretraining.e5 import pretrained_model

LAYERS = (0, 3, 7, 11)
"""Layers of the teacher that the student starts from."""
WIDTHS = {"hidden_size": 384, "num_attention_heads": 12, "intermediate_size": 1536}
"""Those of the teacher."""


def student(layers: Sequence[int] | None = LAYERS, widths: Mapping[str, int] = WIDTHS) -> GoalModel:
    """Return the encoder as it is before the distillation.

    Args:
        layers: numbers of the teacher's layers; None for random weights.
        widths: settings of the encoder; with `layers`, they must be the teacher's.
    """
    settings = {**widths, **({} if layers is None else {"num_hidden_layers": len(layers)})}
    model = GoalModel.from_backbone("tiny-bert", tasks=GOAL_TASKS, encoder=settings, weights="random")
    if layers is not None:
        with tempfile.TemporaryDirectory() as folder:
            teacher = pretrained_model(Path(folder), GOAL_TASKS)
        pieces = {piece: row for row, piece in enumerate(model.tokenizer.vocabulary)}
        inherit_weights(model.encoder, pieces, teacher.encoder, pieces, layers)
    return model
