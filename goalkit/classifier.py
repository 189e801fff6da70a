"""Classifier: an encoder, its pooling, and a linear head per output; any model is exported as a classifier."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Self, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from goalkit.backbones.contract import Encoder
from goalkit.backbones.huggingface_encoder import HuggingFaceClassifierEncoder, HuggingFaceEncoder, find_head
from goalkit.errors import GoalkitError, ModelError, reason_of
from goalkit.outputs import Output


class Classifier(nn.Module):
    """One shared encoder and a linear head per output; without outputs, an encoder that only computes embeddings.

    `embedding`, float [N, H], is the input of the heads: all pooling happens before it. It is the mean of the hidden states
    over tokens ("mean"), that of the first token ("cls"), or computed from them by the encoder itself ("encoder").
    """

    def __init__(self, encoder: Encoder, outputs: Sequence[Output], pooling: str) -> None:
        super().__init__()
        self.encoder = encoder
        self.outputs = tuple(outputs)
        self.pooling = pooling
        self.padding_id = 0
        self.head_layers = nn.ModuleList(nn.Linear(encoder.hidden_size, len(output.labels)) for output in outputs)
        self.eval()

    @property
    def heads(self) -> dict[str, nn.Linear]:
        """The last linear layer of each output, by the output's name."""
        # a list because nn.ModuleDict does not allow an output called "type" or "keys"
        return {output.name: cast(nn.Linear, layer) for output, layer in zip(self.outputs, self.head_layers, strict=True)}

    @classmethod
    def from_transformers(cls, model: nn.Module, *, pooling: str = "mean") -> Self:
        """Make a classifier from a transformers model, with its weights converted to float32.

        Args:
            model: a model for sequence classification, which keeps its own pooling and has one output, `label`, of its own
                problem type; or a bare encoder, which has no output. It is not changed; a compiled model is used uncompiled.
            pooling: for a bare encoder.

        Raises:
            ModelError: it is not an encoder of transformers, has no weights, fails on ids and a mask alone, or its logits do
                not come from a linear layer.
            ConfigurationError: two of its labels have the same name, or its problem type is unknown.
        """
        model = getattr(model, "_orig_mod", model)  # the model inside a torch.compile wrapper
        if not hasattr(getattr(model, "config", None), "max_position_embeddings"):
            raise ModelError(
                f"{type(model).__name__} is not an encoder of transformers: give a BERT-like model, or wrap yours in "
                "goalkit.backbones.Encoder and goalkit.classifier.Classifier"
            )
        if any(parameter.is_meta for parameter in model.parameters()):
            raise ModelError(f"{type(model).__name__} has no weights, only their shapes: load them before you export it")
        try:
            return cls._adopt(copy.deepcopy(model).to("cpu", torch.float32).eval(), pooling)
        except GoalkitError:
            raise
        except Exception as error:  # some third-party parametrisations and quantised layers cannot be copied
            raise ModelError(
                f"{type(model).__name__} cannot be taken apart ({type(error).__name__}: {reason_of(error)}): merge adapters, "
                "remove parametrisations and quantisation, or wrap its encoder in goalkit.backbones.Encoder"
            ) from error

    @classmethod
    def _adopt(cls, model: nn.Module, pooling: str) -> Self:
        config: Any = model.config
        if not type(model).__name__.endswith("ForSequenceClassification"):
            if getattr(model, "pooler", None) is not None:
                model.pooler = None  # type: ignore[assignment]  # hidden states are pooled here; its weights would be dead
            classifier = cls(HuggingFaceEncoder(model), (), pooling)
        else:
            output = Output.of_transformers(config)
            head = find_head(model)
            linear = model.get_submodule(head)
            classifier = cls(HuggingFaceClassifierEncoder(model, head), [output], "encoder")
            classifier.head_layers[0] = linear
        classifier.padding_id = int(config.pad_token_id or 0)
        return classifier.eval()

    def embedding(self, input_ids: Tensor, attention_mask: Tensor, length: int) -> Tensor:
        """Map token ids and mask, int [N, S] with S = `length`, to embeddings, float [N, H]."""
        mask = attention_mask.to(torch.float32)
        return self._pooled(self.encoder(input_ids, mask, length), mask)

    def reference_embedding(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Compute embeddings, float [N, H], for comparison with `embedding`: see `Encoder.reference`."""
        mask = attention_mask.to(torch.float32)
        return self._pooled(self.encoder.reference(input_ids, mask), mask)

    def _pooled(self, states: Tensor, mask: Tensor) -> Tensor:
        if self.pooling == "encoder":
            return states
        if self.pooling == "cls":
            return states[:, 0]
        weights = mask.unsqueeze(-1)
        return (states * weights).sum(1) / weights.sum(1)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, length: int) -> dict[str, Tensor]:
        """Map token ids and mask, int [N, S], to the logits of each output, float [N, labels]."""
        embedding = self.embedding(input_ids, attention_mask, length)
        return {name: head(embedding) for name, head in self.heads.items()}

    def activated(self, embeddings: Tensor) -> dict[str, Tensor]:
        """Apply the heads only: map embeddings, float [N, H], to probabilities or values per output, float [N, labels]."""
        return {output.name: output.activate(self.heads[output.name](embeddings).float()) for output in self.outputs}

    @torch.no_grad()
    def head_probabilities(self, embeddings: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[np.float32]]:
        """Like `activated`, for arrays: map embeddings, float32 [N, H], to float32 [N, labels] per output."""
        device = next(self.parameters()).device
        found = self.activated(torch.from_numpy(embeddings).to(device))
        return {name: each.cpu().numpy() for name, each in found.items()}

    def copy(self) -> Self:
        """Return an independent copy."""
        return copy.deepcopy(self)
