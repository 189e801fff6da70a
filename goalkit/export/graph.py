"""The graph that is handed to the converter: a GoalModel with fixed length and plain outputs."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from goalkit.classifier import Classifier
from goalkit.errors import ExportError
from goalkit.weights import compressed_weights, restore_float

SMALLEST_EPSILON = 1e-7
"""BERT's LayerNorm epsilon of 1e-12 is zero in half precision; this one is not (ml-ane-transformers uses it too)."""


class ExportGraph(nn.Module):
    """Token ids and mask, int32 [1, S], to the embedding [H] and the probabilities [labels] of each task.

    Without a mask, whatever is not the padding id counts as a token.
    """

    def __init__(self, model: Classifier, length: int) -> None:
        super().__init__()
        self.model = model
        self.length = length

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> tuple[Tensor, ...]:
        """See the class."""
        if attention_mask is None:
            attention_mask = (input_ids != self.model.padding_id).to(torch.int32)
        embedding = self.model.embedding(input_ids, attention_mask, self.length)
        probabilities = [torch.softmax(head(embedding), -1)[0] for head in self.model.heads.values()]
        return (embedding[0], *probabilities)


def trace(model: Classifier, length: int, *, derive_mask: bool = False) -> torch.jit.ScriptModule:
    """A copy of `model`, traced for texts of `length` tokens, with its compressed weights marked for coremltools.

    Raises:
        ExportError: a weight is not a finite number.
    """
    graph = ExportGraph(_drawable(model), length).eval()
    for name, tensor in graph.model.state_dict().items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise ExportError(f"{name} holds NaN or infinity: train again from a sound model; nothing was exported")
    ids, mask = torch.zeros(1, length, dtype=torch.int32), torch.ones(1, length, dtype=torch.int32)
    example = (ids,) if derive_mask else (ids, mask)
    with quiet_tracing(), torch.no_grad():
        traced = torch.jit.trace(graph, example, check_trace=False)  # type: ignore[no-untyped-call]
    assert isinstance(traced, torch.jit.ScriptModule)
    return traced


def _drawable(model: Classifier) -> Classifier:
    """A copy with float weights everywhere; beside a compressed one lie buffers that name its integers and scales."""
    copy = model.copy().requires_grad_(False)
    for _, module, storage in list(compressed_weights(copy)):
        restore_float(module, "weight")
        for key, value in storage.coreml_metadata().items():
            module.register_buffer(f"_COREML_/weight/{key}", value)
    copy.register_buffer("_COREML_/metadata_version", torch.tensor(1))
    for module in copy.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = max(module.eps, SMALLEST_EPSILON)
    return copy


@contextlib.contextmanager
def quiet_tracing() -> Iterator[None]:
    """Tracing looks at every attribute of every module, and so meets some that transformers warns about."""
    logger = logging.getLogger("transformers.modeling_utils")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # attention implementations are chosen by comparing shapes, which are constants here
            warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)  # type: ignore[attr-defined]
            warnings.filterwarnings("ignore", message=r"`torch\.jit\.trace\w*` is deprecated", category=DeprecationWarning)
            warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated", category=FutureWarning)
            yield
    finally:
        logger.setLevel(level)
