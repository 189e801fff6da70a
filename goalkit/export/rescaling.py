"""Rescaling MobileBERT so that it fits half precision, without changing its outputs.

MobileBERT has no layer normalisation: each layer adds to a residual stream that grows until half precision overflows. But
only linear layers read the stream, so it can be scaled by a power of two: the layers that write to it are multiplied, those
that read it are divided, and every significand stays the same.
"""

from __future__ import annotations

import math
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from goalkit.classifier import Classifier
from goalkit.errors import ExportError
from goalkit.export.runtime.ranges import LARGEST_HALF
from goalkit.tokenization import TokenBatch

Model = TypeVar("Model", bound=Classifier)

HEADROOM = 16.0
"""Margin between the stream and the half-precision maximum, for texts with larger values than those measured."""


def rescale_for_half_precision(model: Model, texts: TokenBatch) -> Model:
    """Return a copy of a MobileBERT classifier whose residual stream fits half precision on `texts`.

    Probabilities are bit-identical except for subnormal numbers. If the embedding is the stream itself it is scaled by a power
    of two, and the heads by its inverse: build updatable heads from the copy.

    Raises:
        ExportError: the encoder is not a MobileBERT without normalisation; export others with precision="mixed".
    """
    copy = model.copy()
    mobilebert = _mobilebert(copy)
    largest = stream_magnitude(copy, texts)
    power = min(0, math.floor(math.log2(LARGEST_HALF / HEADROOM / largest))) if largest > 0 else 0
    with torch.no_grad():
        scale_stream(copy, mobilebert, 2.0**power)
    return copy


@torch.no_grad()
def stream_magnitude(model: Classifier, texts: TokenBatch) -> float:
    """Return the largest magnitude in the residual stream of a MobileBERT on tokenised texts, in float32."""
    mobilebert = _mobilebert(model)
    largest = [0.0]

    def watch(module: nn.Module, arguments: Any, result: Tensor) -> None:
        largest.append(float(result.abs().max()))

    layers: Any = model.encoder.anatomy().layers
    watched = [mobilebert.embeddings, *layers, *(layer.output.bottleneck.dense for layer in layers)]
    handles = [module.register_forward_hook(watch) for module in watched]
    try:
        ids, mask = torch.from_numpy(texts.input_ids), torch.from_numpy(texts.attention_mask)
        model.embedding(ids, mask, ids.shape[1])
    finally:
        for handle in handles:
            handle.remove()
    return max(largest)


def scale_stream(model: Classifier, mobilebert: Any, factor: float) -> None:
    """Scale the residual stream of `mobilebert`, the encoder of `model`, by `factor`, in place.

    Args:
        model: the classifier.
        mobilebert: the transformers MobileBertModel inside it.
        factor: a power of two.
    """
    config, embeddings = mobilebert.config, mobilebert.embeddings
    written: list[nn.Parameter] = [
        embeddings.position_embeddings.weight,
        embeddings.token_type_embeddings.weight,
        embeddings.LayerNorm.bias,
    ]
    if embeddings.trigram_input or embeddings.embedding_size != embeddings.hidden_size:
        written += embeddings.embedding_transformation.parameters()
    else:
        written.append(embeddings.word_embeddings.weight)
    read: list[Tensor] = []
    layers: Any = model.encoder.anatomy().layers
    for layer in layers:
        written += [*layer.output.bottleneck.dense.parameters(), layer.output.bottleneck.LayerNorm.bias]
        read.append(layer.bottleneck.input.dense.weight)
        attention = layer.attention.self
        if config.use_bottleneck_attention:
            continue
        read.append(attention.value.weight)
        if config.key_query_shared_bottleneck:
            read.append(layer.bottleneck.attention.dense.weight)
        else:
            read += [attention.query.weight, attention.key.weight]
    pooler = getattr(mobilebert, "pooler", None)
    if pooler is not None and pooler.do_activate:
        read.append(pooler.dense.weight)
    else:
        read += [head.weight for head in model.heads.values()]
    for tensor in written:
        tensor.mul_(factor)
    for reader in read:
        reader.div_(factor)


def _mobilebert(model: Classifier) -> Any:
    inner: Any = getattr(model.encoder, "model", None)
    found = getattr(inner, "mobilebert", inner)
    config: Any = getattr(found, "config", None)
    if getattr(config, "model_type", "") == "mobilebert" and config.normalization_type == "no_norm" and config.use_bottleneck:
        return found
    raise ExportError("only a MobileBERT without normalisation can be rescaled: export with precision='mixed'")
