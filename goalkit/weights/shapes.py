"""Shapes of linear layers and embedding tables, which may differ from those that the backbone builds."""

from __future__ import annotations

from torch import Tensor, nn

from goalkit.errors import ModelError

Layer = nn.Linear | nn.Embedding


def layer_shapes(model: nn.Module) -> dict[str, tuple[int, int]]:
    """Return the weight shape, (rows, columns), of each linear layer and embedding table of `model`, by name."""
    return {name: layer_shape(module) for name, module in model.named_modules() if isinstance(module, Layer)}


def layer_shape(layer: Layer) -> tuple[int, int]:
    """Return the shape of a layer's weight, in any stored form: (rows, columns)."""
    if isinstance(layer, nn.Embedding):
        return layer.num_embeddings, layer.embedding_dim
    return layer.out_features, layer.in_features


def set_weight(layer: Layer, weight: Tensor, bias: Tensor | None = None) -> None:
    """Replace a layer's weight by one of any shape, in place. A model saves the shapes that differ from its backbone's.

    Args:
        layer: neither its weight nor its bias is in a stored form.
        weight: float [rows, columns]; one row per output of a linear layer, or per piece of an embedding table.
        bias: float [rows], for a linear layer; None leaves it unchanged.
    """
    layer.weight = nn.Parameter(weight)
    if isinstance(layer, nn.Embedding):
        layer.num_embeddings, layer.embedding_dim = weight.shape
        return
    layer.out_features, layer.in_features = weight.shape
    if bias is not None:
        layer.bias = nn.Parameter(bias)


def parts(size: int, part: int | None, noun: str) -> int:
    """Return into how many equal parts of `part` rows or columns a weight is divided; one part if `part` is None.

    Raises:
        ModelError: the parts would not be equal.
    """
    if part is not None and size % part:
        raise ModelError(f"a weight of {size} {noun} has no equal parts of {part}: choose a divisor of {size}")
    return 1 if part is None else size // part
