"""A backbone on trial: the encoder, texts and model that the rules are tried on, each made once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Tensor

from goalkit.backbones import Backbone, Encoder
from goalkit.backbones.probes import TRIED_LENGTH
from goalkit.compress import Compressor
from goalkit.errors import BackboneError, reason_of
from goalkit.export.texts import ExampleTexts
from goalkit.model import GoalModel
from goalkit.tasks import Task

TASKS = (Task("kind", ("a", "b", "c")),)
"""No task of goals, so that example texts are made up from the backbone's own vocabulary."""

TEXTS = 4
SENTENCES = 8


class UncheckedError(Exception):
    """A rule cannot be checked; the message says why."""


@attrs.frozen(slots=False, eq=False)
class Trial:
    """A backbone on trial.

    Args:
        name: of its entry point.
        backbone: as found by that name.
        overrides: settings that make a small encoder.
        folder: an empty folder for files.
    """

    name: str
    backbone: Backbone
    overrides: Mapping[str, Any]
    folder: Path

    @cached_property
    def configuration(self) -> dict[str, Any]:
        """The settings of a small encoder for the backbone's own vocabulary."""
        return self.backbone.configuration(len(self.backbone.vocabulary()), self.overrides)

    def build(self, seed: int = 0) -> Encoder:
        """Build an encoder from the configuration, in evaluation mode."""
        torch.manual_seed(seed)
        return self.backbone.encoder(self.configuration).eval()

    @cached_property
    def encoder(self) -> Encoder:
        """An encoder with random weights, in evaluation mode."""
        return self.build()

    @cached_property
    def length(self) -> int:
        """Number of tokens of the longest text on trial."""
        return min(TRIED_LENGTH, self.encoder.max_length)

    @cached_property
    def texts(self) -> tuple[Tensor, Tensor]:
        """The encoder's own example texts: ids, int64 [N, S], and mask, float [N, S]."""
        return self.encoder.example_texts(self.length, TEXTS)

    @torch.no_grad()
    def states(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Compute what should be hidden states, [N, S, H]. Raises BackboneError if `forward` fails or returns no tensor."""
        texts, length = input_ids.shape
        try:
            found = self.encoder(input_ids, attention_mask, length)
        except Exception as error:  # encoders raise exceptions of any kind
            raise BackboneError(
                f"forward fails on {texts} texts of {length} tokens ({type(error).__name__}: {reason_of(error)}): correct it, "
                "or the encoder's max_length"
            ) from error
        if not isinstance(found, Tensor):
            raise BackboneError(f"forward returns a {type(found).__name__}: return the tensor of hidden states alone")
        return found

    @cached_property
    def model(self) -> GoalModel:
        """A model with a random encoder."""
        return GoalModel.from_backbone(self.name, tasks=TASKS, encoder=self.overrides, weights="random")

    @cached_property
    def compressed(self) -> GoalModel:
        """The same model, compressed by the recipe int8."""
        return Compressor.from_recipe("int8").compress(self.model).model

    @cached_property
    def sentences(self) -> tuple[str, ...]:
        """Texts made up from the vocabulary."""
        return ExampleTexts.of(self.model, self.length).texts[:SENTENCES]
