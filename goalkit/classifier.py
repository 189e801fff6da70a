"""Classifier: an encoder, its pooling, and a linear head a task; what is exported, whoever made it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from goalkit.backbones.contract import Encoder
from goalkit.tasks import Task

POOLINGS = ("mean", "cls", "encoder")
"""Hidden states become one embedding as their mean over tokens, as that of the first token, or by the encoder itself."""


class Classifier(nn.Module):
    """One shared encoder and a linear head a task; without tasks, an encoder that only embeds.

    `embedding`, float [N, H], is exactly what enters the heads: all pooling happens before it.
    """

    def __init__(self, encoder: Encoder, tasks: Sequence[Task], pooling: str) -> None:
        super().__init__()
        self.encoder = encoder
        self.tasks = tuple(tasks)
        self.pooling = pooling
        self.heads = nn.ModuleDict({task.name: nn.Linear(encoder.hidden_size, len(task.labels)) for task in tasks})
        self.eval()

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
        return {name: torch.softmax(head(tensor), -1).numpy() for name, head in self.heads.items()}

    def copy(self) -> Self:
        """An independent copy: changing one leaves the other."""
        return copy.deepcopy(self)
