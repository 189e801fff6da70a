"""Classifier: an encoder, its pooling, and a linear head a task; what is exported, whoever made it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Self, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from goalkit.backbones.contract import Encoder
from goalkit.backbones.huggingface import HuggingFaceClassifierEncoder, HuggingFaceEncoder, last_linear
from goalkit.errors import ModelError
from goalkit.tasks import Task


class Classifier(nn.Module):
    """One shared encoder and a linear head a task; without tasks, an encoder that only embeds.

    `embedding`, float [N, H], is exactly what enters the heads: all pooling happens before it. It is the mean of the hidden
    states over tokens ("mean"), that of the first token ("cls"), or what the encoder itself makes of them ("encoder").
    """

    def __init__(self, encoder: Encoder, tasks: Sequence[Task], pooling: str) -> None:
        super().__init__()
        self.encoder = encoder
        self.tasks = tuple(tasks)
        self.pooling = pooling
        self.padding_id = 0
        self.head_layers = nn.ModuleList(nn.Linear(encoder.hidden_size, len(task.labels)) for task in tasks)
        self.eval()

    @property
    def heads(self) -> dict[str, nn.Linear]:
        """The last linear layer of each task."""
        # a list and not nn.ModuleDict, which has no room for a task called "type" or "keys"
        return {task.name: cast(nn.Linear, layer) for task, layer in zip(self.tasks, self.head_layers, strict=True)}

    @classmethod
    def from_transformers(cls, model: nn.Module, *, pooling: str = "mean") -> Self:
        """Take a transformers model for what it is.

        Args:
            model: one for sequence classification, which keeps its own pooling and gives the task `label`, or a bare encoder,
                which gives no task. It stays as it is.
            pooling: of a bare encoder.

        Raises:
            ModelError: it is no encoder that transformers made, or its last layer is not a linear classifier of labels.
            ConfigurationError: it has fewer than two labels, or two of one name.
        """
        config: Any = getattr(model, "config", None)
        if not hasattr(config, "max_position_embeddings"):
            raise ModelError(
                f"{type(model).__name__} is not an encoder of transformers: give a BERT-like model, or wrap yours in "
                "goalkit.backbones.Encoder and goalkit.classifier.Classifier"
            )
        head = last_linear(model)
        twin = copy.deepcopy(model)
        if head is None:
            if getattr(twin, "pooler", None) is not None:
                twin.pooler = None  # type: ignore[assignment]  # hidden states are pooled here; its weights would be dead
            classifier = cls(HuggingFaceEncoder(twin), (), pooling)
        else:
            linear = twin.get_submodule(head)
            labels = tuple(str(config.id2label[number]) for number in range(config.num_labels))
            classifier = cls(HuggingFaceClassifierEncoder(twin, head), [Task("label", labels)], "encoder")
            classifier.head_layers[0] = linear
        classifier.padding_id = int(config.pad_token_id or 0)
        return classifier.eval()

    def embedding(self, input_ids: Tensor, attention_mask: Tensor, length: int) -> Tensor:
        """Token ids and mask, int [N, S] with S = `length`, to embeddings, float [N, H]."""
        mask = attention_mask.to(torch.float32)
        states: Tensor = self.encoder(input_ids, mask, length)
        if self.pooling == "encoder":
            return states
        if self.pooling == "cls":
            return states[:, 0]
        weights = mask.unsqueeze(-1)
        return (states * weights).sum(1) / weights.sum(1)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, length: int) -> dict[str, Tensor]:
        """Token ids and mask, int [N, S], to the logits of each task, float [N, labels]."""
        embedding = self.embedding(input_ids, attention_mask, length)
        return {name: head(embedding) for name, head in self.heads.items()}

    @torch.no_grad()
    def head_probabilities(self, embeddings: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[np.float32]]:
        """The heads alone: embeddings, float32 [N, H], to probabilities, for each task float32 [N, labels]."""
        tensor = torch.from_numpy(embeddings)
        logits = {name: head(tensor.to(head.weight.device)) for name, head in self.heads.items()}
        return {name: torch.softmax(each.float(), -1).cpu().numpy() for name, each in logits.items()}

    def copy(self) -> Self:
        """An independent copy: changing one leaves the other."""
        return copy.deepcopy(self)
