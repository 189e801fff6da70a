"""Quantised activations: inputs of layers that are rounded to 8-bit integers with a scale."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import attrs
import torch
from torch import Tensor, nn

from goalkit.configuration import between
from goalkit.errors import ConfigurationError
from goalkit.weights.affine import half_scale

LOWEST, HIGHEST = -128, 127
"""Range of the integers."""


def _half(instance: object, attribute: attrs.Attribute[float], value: float) -> None:
    if float(half_scale(torch.tensor(float(value)))) != value:
        raise ConfigurationError(f"{attribute.name} is {value!r}: it must be a normal number of half precision")


@attrs.frozen(kw_only=True)
class QuantisedInput:
    """Rounds the input of a layer to scale · q, with integers q from -128 to 127; a forward pre-hook of that layer.

    Numbers outside the range become its ends. Gradients pass unchanged inside the range, and are zero outside.

    Args:
        scale: a normal number of half precision, so that an FP16 package holds the same value.
    """

    oldest_target: ClassVar[str] = "iOS17"
    """The oldest deployment target that has the operations."""
    scale: float = attrs.field(validator=[between(0, above=True), _half])

    def __str__(self) -> str:
        return "8-bit inputs"

    def __call__(self, layer: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the arguments of the layer, the first of which, float [..., columns], is rounded."""
        rounded: Tensor = torch.fake_quantize_per_tensor_affine(arguments[0], self.scale, 0, LOWEST, HIGHEST)
        return rounded, *arguments[1:]


def quantise_input(layer: nn.Linear, quantised: QuantisedInput) -> None:
    """Round the input of `layer` from now on, in place."""
    layer.register_forward_pre_hook(quantised)


def quantised_inputs(model: nn.Module) -> Iterator[tuple[str, nn.Linear, QuantisedInput]]:
    """Yield all layers whose input is rounded: name of the layer, the layer, and how."""
    for name, module in model.named_modules():
        for hook in module._forward_pre_hooks.values():  # torch has no public way to list them
            if isinstance(hook, QuantisedInput) and isinstance(module, nn.Linear):
                yield name, module, hook


def restore_inputs(model: nn.Module) -> None:
    """Undo every `quantise_input` in a model or layer, in place."""
    for module in model.modules():
        hooks = module._forward_pre_hooks
        for number in [number for number, hook in hooks.items() if isinstance(hook, QuantisedInput)]:
            del hooks[number]
