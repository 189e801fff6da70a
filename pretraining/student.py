"""The student before its distillation: layers, and rows of the vocabulary, of the teacher, or random weights."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from goalkit import GOAL_TASKS, GoalModel
from goalkit.backbones import inherit_weights
from pretraining.e5 import pretrained_model

LAYERS = (0, 3, 7, 11)
"""Layers of the teacher that tiny-bert starts from."""


def student(layers: Sequence[int] | None = LAYERS, widths: Mapping[str, int] | None = None) -> GoalModel:
    """Return tiny-bert as it is before the distillation.

    Args:
        layers: numbers of the teacher's layers; None for random weights.
        widths: settings of the encoder that differ from tiny-bert's; with `layers`, its widths must be the teacher's.
    """
    settings = {**(widths or {}), **({} if layers is None else {"num_hidden_layers": len(layers)})}
    model = GoalModel.from_backbone("tiny-bert", tasks=GOAL_TASKS, encoder=settings, weights="random")
    if layers is not None:
        with tempfile.TemporaryDirectory() as folder:
            teacher = pretrained_model(Path(folder), GOAL_TASKS)
        pieces = {piece: row for row, piece in enumerate(model.tokenizer.vocabulary)}
        inherit_weights(model.encoder, pieces, teacher.encoder, pieces, layers)
    return model
