"""How the layers of a saved model differ from those that its backbone builds: `compression` in its `config.json`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import attrs
import torch
from torch import nn

from goalkit.configuration import between
from goalkit.errors import ConfigurationError, ModelError
from goalkit.weights.contract import Form
from goalkit.weights.parameters import store_as, stored_weights
from goalkit.weights.registry import weight_of
from goalkit.weights.shapes import Layer, layer_shape, layer_shapes, set_weight


@attrs.frozen(kw_only=True)
class ActivationRange:
    """Between which numbers a module's results lie, and to how many bits they are quantised there. Reserved."""

    low: float
    high: float
    bits: int = attrs.field(default=8, validator=between(2, 16, whole=True))

    def __attrs_post_init__(self) -> None:
        if not -math.inf < self.low < self.high < math.inf:
            raise ConfigurationError(f"an activation ranges from {self.low} to {self.high}: give two numbers, the lower first")


def _check_shapes(instance: object, attribute: attrs.Attribute[Any], value: Mapping[str, tuple[int, int]]) -> None:
    for name, shape in value.items():
        if min(shape) < 1:
            raise ConfigurationError(f"the weight of {name} has the shape {shape}: give rows and columns, at least 1 of each")


@attrs.frozen(kw_only=True)
class CompressedLayers:
    """What to change of the layers that a backbone builds before the tensors of a saved model fit them.

    Args:
        shapes: rows and columns of linear layers and embedding tables that have others than the backbone gives them.
        weights: the form in which a layer's weight is stored, where it is not float.
        activations: the ranges to which modules quantise their results. No version builds such modules yet.
    """

    shapes: dict[str, tuple[int, int]] = attrs.field(factory=dict, validator=_check_shapes)
    weights: dict[str, Form] = attrs.field(factory=dict)
    activations: dict[str, ActivationRange] = attrs.field(factory=dict)

    @classmethod
    def of(cls, model: nn.Module, built: Mapping[str, tuple[int, int]]) -> CompressedLayers:
        """Describe a model whose layers had the shapes `built` (as `layer_shapes` gives them) when its backbone built it."""
        shapes = {name: shape for name, shape in layer_shapes(model).items() if built.get(name, shape) != shape}
        return cls(shapes=shapes, weights={name: storage.form for name, _, storage in stored_weights(model)})

    def prepare(self, model: nn.Module, *, source: str) -> None:
        """Give the layers of a freshly built model these shapes and forms, in place, ready for `load_state_dict`.

        Raises:
            ModelError: `source`, the name of the file, describes what the model does not have or this version cannot build.
        """
        for name, (rows, columns) in self.shapes.items():
            layer = _layer(model, name, source)
            bias = getattr(layer, "bias", None)
            set_weight(layer, torch.zeros(rows, columns), None if bias is None else torch.zeros(rows))
        for name, form in self.weights.items():
            layer = _layer(model, name, source)
            try:
                weight = weight_of(form)
            except ModelError as error:
                raise ModelError(f"{source}: the weight of {name}: {error}") from error
            store_as(layer, "weight", *weight.empty(form, layer_shape(layer)))
        if self.activations:
            name = next(iter(self.activations))
            raise ModelError(f"{source}: {name} has quantised results, which this goalkit cannot build: update goalkit")


def _layer(model: nn.Module, name: str, source: str) -> Layer:
    try:
        layer = model.get_submodule(name)
    except AttributeError:
        layer = None
    if not isinstance(layer, Layer):
        raise ModelError(f"{source}: there is no layer {name!r} to hold a compressed weight; save the model again")
    return layer
