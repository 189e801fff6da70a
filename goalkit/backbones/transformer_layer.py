"""The linear layers inside a transformer layer, recognised by what they read, and how to leave out heads and columns."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import attrs
import torch
from torch import Tensor, nn

from goalkit.backbones.contract import Encoder
from goalkit.backbones.probes import SAME, TRIED_LENGTH, difference
from goalkit.errors import ConfigurationError
from goalkit.weights import set_weight


@attrs.frozen(eq=False)
class TransformerLayer:
    """The six linear layers of a transformer layer (Vaswani et al., 2017, arXiv 1706.03762), in the order in which they run.

    The number of heads follows from the width of the first three: the size of a head is constant.

    Args:
        query: from the H hidden states to heads · `head_size` rows.
        key: as wide.
        value: as wide.
        attention_output: reads what the heads found.
        intermediate: from H to the columns of the feed-forward network.
        output: reads these columns.
        head_size: columns per head.
    """

    query: nn.Linear
    key: nn.Linear
    value: nn.Linear
    attention_output: nn.Linear
    intermediate: nn.Linear
    output: nn.Linear
    head_size: int

    @property
    def heads(self) -> int:
        """Number of attention heads."""
        return self.query.out_features // self.head_size

    @property
    def columns(self) -> int:
        """Number of columns of the feed-forward network."""
        return self.intermediate.out_features

    def columns_of(self, heads: Tensor) -> Tensor:
        """Return the columns of these heads, int64 [n · head_size]."""
        return (heads[:, None] * self.head_size + torch.arange(self.head_size, device=heads.device)).flatten()


def transformer_layers(encoder: Encoder) -> tuple[TransformerLayer, ...]:
    """Return the linear layers of each layer of an encoder, from the lowest to the highest, found by running it once.

    Raises:
        ConfigurationError: its layers are not built like that, as MobileBERT's, or run several times, as ALBERT's.
        ModelError: see `Encoder.anatomy`.
    """
    calls: list[tuple[nn.Linear, Tensor]] = []

    def watch(module: nn.Linear, arguments: Any) -> None:
        calls.append((module, arguments[0]))

    layers = encoder.anatomy().layers
    with ExitStack() as hooks:
        for layer in layers:
            for module in layer.modules():
                if isinstance(module, nn.Linear):
                    hooks.callback(module.register_forward_pre_hook(watch).remove)
        _run(encoder)
    return tuple(_recognised(layer, calls) for layer in layers)


def _recognised(layer: nn.Module, calls: Sequence[tuple[nn.Linear, Tensor]]) -> TransformerLayer:
    own = set(layer.modules())
    linear, read = [module for module, _ in calls if module in own], [given for module, given in calls if module in own]
    sizes = {size for each in own if isinstance(size := getattr(each, "attention_head_size", None), int)}
    if len(linear) == len(set(linear)) == 6 and len(sizes) == 1 and read[0] is read[1] is read[2]:
        query, key, value, attention_output, intermediate, output = linear
        found = TransformerLayer(query, key, value, attention_output, intermediate, output, head_size=sizes.pop())
        widths = {query.out_features, key.out_features, value.out_features, attention_output.in_features}
        if widths == {found.heads * found.head_size} and output.in_features == found.columns:
            return found
    raise ConfigurationError(
        f"heads and feed-forward columns of {type(layer).__name__} cannot be left out: only those of layers that consist of "
        "query, key, value and output, and a feed-forward network of two linear layers, as BERT's, can"
    )


@torch.no_grad()
def narrow_layers(encoder: Encoder, heads: Sequence[Tensor], columns: Sequence[Tensor]) -> None:
    """Keep only some heads and feed-forward columns of each layer, in place. The encoder then computes as if others were zero.

    Args:
        encoder: neither in training mode nor compressed.
        heads: numbers of the heads to keep, per layer int64 [n], increasing.
        columns: numbers of the feed-forward columns to keep, per layer int64 [n], increasing.

    Raises:
        ConfigurationError: see `transformer_layers`; or the encoder computes something else, as it relies on its widths. It is
            unusable then.
    """
    layers = transformer_layers(encoder)
    found = [(layer, layer.columns_of(some), others) for layer, some, others in zip(layers, heads, columns, strict=True)]
    for layer, attended, kept in found:
        layer.attention_output.weight[:, _others(attended, layer.attention_output.in_features)] = 0
        layer.output.weight[:, _others(kept, layer.columns)] = 0
    right = _run(encoder)
    for layer, attended, kept in found:
        for each, rows in ((layer.query, attended), (layer.key, attended), (layer.value, attended), (layer.intermediate, kept)):
            set_weight(each, each.weight[rows], None if each.bias is None else each.bias[rows])
        for each, read in ((layer.attention_output, attended), (layer.output, kept)):
            set_weight(each, each.weight[:, read])
    try:
        narrow = _run(encoder)
    except RuntimeError:  # a view that relies on the old number of heads
        narrow = None
    if difference(narrow, right) > SAME:
        raise ConfigurationError("the encoder relies on its numbers of heads and feed-forward columns: leave none of them out")


def _others(kept: Tensor, size: int) -> Tensor:
    others = torch.ones(size, dtype=torch.bool, device=kept.device)
    others[kept] = False
    return others


@torch.no_grad()
def _run(encoder: Encoder) -> Tensor:
    device = next(encoder.parameters()).device
    ids, mask = (each.to(device) for each in encoder.example_texts(min(TRIED_LENGTH, encoder.max_length), 2))
    states: Tensor = encoder(ids, mask, ids.shape[1])
    return states
