"""What enters each layer, measured on texts: the second moments of its inputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from goalkit.compress.contract import CompressionContext, Technique
from goalkit.compress.layers import large_layers
from goalkit.errors import ConfigurationError
from goalkit.model import GoalModel

MOST_TEXTS = 1024
BATCH = 64
DAMPING = 0.01
"""Share of the mean that is added to the moments of all inputs, so that one which the texts lack counts a little (GPTQ's)."""


def representative_texts(context: CompressionContext, technique: Technique, most: int = MOST_TEXTS) -> list[str]:
    """Return the unlabelled texts or else those of the training rows: at most `most`, evenly spaced.

    Raises:
        ConfigurationError: the context has neither.
    """
    texts = context.texts or (context.splits.train.texts if context.splits else ())
    if not texts:
        raise ConfigurationError(
            f"the technique {technique.name!r} measures the model on texts: give texts= or splits= to Compressor.compress"
        )
    places = np.unique(np.linspace(0, len(texts) - 1, min(most, len(texts))).round().astype(int))
    return [texts[place] for place in places]


@torch.no_grad()
def second_moments(model: GoalModel, texts: Sequence[str]) -> dict[nn.Module, Tensor]:
    """Measure the mean of x xᵀ over all inputs x of each large layer, with a little added to the diagonal.

    All matrices are in memory at once.

    Args:
        model: not compressed, in evaluation mode.
        texts: at least one.

    Returns:
        Per layer that is called, float64 [columns, columns]; of an embedding table, whose inputs are single rows, the diagonal
        only, [rows].
    """
    sums: dict[nn.Module, Tensor] = {}

    def measure(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        inputs = arguments[0]
        if isinstance(module, nn.Embedding):
            found = torch.bincount(inputs.flatten(), minlength=module.num_embeddings).double()
        else:
            rows = inputs.reshape(-1, inputs.shape[-1])
            found = (rows.T @ rows).double()
        sums[module] = sums[module] + found if module in sums else found

    hooks = [module.register_forward_pre_hook(measure) for module, _ in large_layers(model)]
    try:
        for ids in _without_padding(model, texts):
            model.embedding(ids, torch.ones_like(ids), ids.shape[1])
    finally:
        for hook in hooks:
            hook.remove()
    return {module: _damped(found) for module, found in sums.items() if found.any()}


def importance(moments: Tensor) -> Tensor:
    """Return how much the squared error of each weight matters to the outputs of its layer: [1, columns], or [rows, 1]."""
    return moments.unsqueeze(1) if moments.ndim == 1 else moments.diagonal().unsqueeze(0)


def _damped(sums: Tensor) -> Tensor:
    diagonal = sums if sums.ndim == 1 else sums.diagonal()  # a view
    scale = diagonal.mean()
    diagonal += DAMPING * scale
    return sums / scale


def _without_padding(model: GoalModel, texts: Sequence[str]) -> Iterator[Tensor]:
    """Yield batches of the ids of texts of the same length, int64 [N, S]."""
    flat, lengths = model.tokenizer.encode_flat(texts, model.encoder.max_length)
    ends = np.cumsum(lengths)
    for length in np.unique(lengths):
        places = np.flatnonzero(lengths == length)
        for start in range(0, len(places), BATCH):
            rows = [flat[ends[place] - length : ends[place]] for place in places[start : start + BATCH]]
            yield torch.from_numpy(np.stack(rows)).long()
