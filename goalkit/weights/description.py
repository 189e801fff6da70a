"""Differences of a saved model's layers from those that its backbone builds: `compression` in its `config.json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import torch
from torch import nn

from goalkit.errors import ConfigurationError, ModelError
from goalkit.weights.activations import QuantisedInput, quantise_input, quantised_inputs
from goalkit.weights.contract import Form
from goalkit.weights.parameters import store_as, stored_weights
from goalkit.weights.registry import weight_of
from goalkit.weights.shapes import Layer, layer_shape, layer_shapes, set_weight


def _check_shapes(instance: object, attribute: attrs.Attribute[Any], value: Mapping[str, tuple[int, int]]) -> None:
    for name, shape in value.items():
        if min(shape) < 1:
            raise ConfigurationError(f"the weight of {name} has the shape {shape}: give rows and columns, at least 1 of each")


@attrs.frozen(kw_only=True)
class CompressedLayers:
    """Changes to the layers that a backbone builds, needed before the tensors of a saved model fit them.

    Args:
        shapes: rows and columns of linear layers and embedding tables whose shapes differ from the backbone's. The number of
            attention heads follows from them.
        weights: stored forms of the layers' weights that are not float.
        activations: linear layers whose inputs are quantised.
    """

    shapes: dict[str, tuple[int, int]] = attrs.field(factory=dict, validator=_check_shapes)
    weights: dict[str, Form] = attrs.field(factory=dict)
    activations: dict[str, QuantisedInput] = attrs.field(factory=dict)

    @classmethod
    def of(cls, model: nn.Module, built: Mapping[str, tuple[int, int]]) -> CompressedLayers:
        """Describe a model whose layers originally had the shapes `built` (see `layer_shapes`)."""
        shapes = {name: shape for name, shape in layer_shapes(model).items() if built.get(name, shape) != shape}
        return cls(
            shapes=shapes,
            weights={name: storage.form for name, _, storage in stored_weights(model)},
            activations={name: quantised for name, _, quantised in quantised_inputs(model)},
        )

    def prepare(self, model: nn.Module, *, source: str) -> None:
        """Change the layers of a newly built model to these shapes and forms, in place, ready for `load_state_dict`.

        Raises:
            ModelError: `source`, the name of the file, describes layers that the model lacks or this version does not support.
        """
        for name, (rows, columns) in self.shapes.items():
            layer = _layer(model, name, source)
            bias = getattr(layer, "bias", None)
            set_weight(layer, torch.zeros(rows, columns), None if bias is None else torch.zeros(rows))
        for name, form in self.weights.items():
            layer = _layer(model, name, source)
            try:
                kept, storage = weight_of(form).empty(form, layer_shape(layer))
            except ModelError as error:
                raise ModelError(f"{source}: the weight of {name}: {error}") from error
            store_as(layer, "weight", kept, storage)
        for name, quantised in self.activations.items():
            layer = _layer(model, name, source)
            if not isinstance(layer, nn.Linear):
                raise ModelError(f"{source}: {name} is no linear layer, whose input can be quantised; save the model again")
            quantise_input(layer, quantised)


def _layer(model: nn.Module, name: str, source: str) -> Layer:
    try:
        layer = model.get_submodule(name)
    except AttributeError:
        layer = None
    if not isinstance(layer, Layer):
        raise ModelError(f"{source}: there is no layer {name!r} to hold a compressed weight; save the model again")
    return layer
