"""The graph that the converter gets: a model with fixed length and plain outputs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from goalkit.backbones.probes import SAME
from goalkit.classifier import Classifier
from goalkit.errors import ExportError, GoalkitError, reason_of
from goalkit.export.agreement import ADVICE, Agreement
from goalkit.export.metadata import METADATA_VERSION, weight_metadata
from goalkit.export.tracing import PlainGraph, quiet_tracing
from goalkit.weights import quantise_input, quantised_inputs, restore_float, restore_inputs, stored_weights

SMALLEST_EPSILON = 1e-7
"""Replaces BERT's LayerNorm epsilon of 1e-12, which is zero in half precision (ml-ane-transformers uses the same value)."""


class ExportGraph(nn.Module):
    """Maps token ids and mask, int32 [1, S], to the embedding [H] and each activated output [labels].

    Without a mask, every token other than padding counts.
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
        return (embedding[0], *(numbers[0] for numbers in self.model.activated(embedding).values()))


def trace(model: Classifier, length: int, *, half: bool, derive_mask: bool = False) -> tuple[torch.jit.ScriptModule, Agreement]:
    """Trace a copy of `model` for texts of `length` tokens, with its compressed weights marked for coremltools.

    The trace is compared with the model's own forward pass, both without rounding activations (see `without_rounding`).

    Args:
        model: not changed.
        length: S.
        half: compute in half precision, which must be able to hold constants and epsilons.
        derive_mask: take token ids only.

    Returns:
        The trace, and the comparison, which can be repeated on what is made from the trace.

    Raises:
        ExportError: a weight is not a finite number or in a form without a translation to Core ML, the model cannot be
            traced, or the outputs of the trace differ.
    """
    graph = ExportGraph(_with_marks(model), length).eval()
    for name, tensor in graph.model.state_dict().items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise ExportError(
                f"{name} holds NaN or infinity: train again from a model with finite weights; nothing was exported"
            )
    if half:
        _raise_epsilons(graph.model)
    quantised = list(quantised_inputs(graph.model))
    restore_inputs(graph.model)
    try:
        agreement = Agreement.of(graph.model, length, derive_mask=derive_mask)
        traced = _traced(graph, agreement, half=half)
    except GoalkitError:
        raise
    except Exception as error:  # models raise exceptions of any kind
        raise ExportError(
            f"torch.jit.trace cannot follow this model ({type(error).__name__}: {reason_of(error)}): {ADVICE}"
        ) from error
    names = ["embedding", *(output.feature for output in model.outputs)]

    @torch.no_grad()
    def run(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        return dict(zip(names, traced(*inputs.values()), strict=True))

    agreement.check(run, what="the traced graph", tolerance=SAME, advice=ADVICE)
    if not quantised:
        return traced, agreement
    for _, layer, each in quantised:
        quantise_input(layer, each)
    return _traced(graph, agreement, half=half), agreement


@torch.no_grad()
def _traced(graph: ExportGraph, agreement: Agreement, *, half: bool) -> torch.jit.ScriptModule:
    with quiet_tracing(), PlainGraph(half=half):
        traced = torch.jit.trace(graph, tuple(agreement.example().values()), check_trace=False)  # type: ignore[no-untyped-call]
    assert isinstance(traced, torch.jit.ScriptModule)
    return traced


def _with_marks(model: Classifier) -> Classifier:
    """Return a copy with float weights; buffers next to each compressed weight describe its stored form."""
    copy = model.copy().requires_grad_(False)
    for _, module, storage in list(stored_weights(copy)):
        buffers = weight_metadata(storage)
        restore_float(module, "weight")
        for name, value in buffers.items():
            module.register_buffer(name, value)
    copy.register_buffer(*METADATA_VERSION)
    return copy


def _raise_epsilons(model: Classifier) -> None:
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = max(module.eps, SMALLEST_EPSILON)
