"""Compressed weights: how a parameter that is stored as small integers behaves in torch, on disk and in Core ML.

A compressed weight is a torch parametrisation: the module keeps the integers, and computes the weight from them when it
is used. Techniques in `goalkit.compress` decide the integers; the exporter carries them over as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from goalkit.errors import ModelError


class AffineWeight(nn.Module):
    """A weight stored as signed 8-bit integers q with one scale a row: w = q · scale.

    The scales are representable in half precision, so that the FP16 package holds the very same ones.

    Args:
        scale: float32 [rows, 1].
    """

    kind = "affine"
    bits = 8

    def __init__(self, scale: Tensor) -> None:
        super().__init__()
        self.scale: Tensor
        self.register_buffer("scale", scale)

    def forward(self, integers: Tensor) -> Tensor:
        """Integers int8 [rows, columns] to the weight, float32 [rows, columns]."""
        return integers.to(self.scale.dtype) * self.scale

    def coreml_metadata(self) -> dict[str, Tensor]:
        """What coremltools' converter reads from `_COREML_/<parameter>/…` buffers to emit the same integers."""
        return {
            "compression_type": torch.tensor([3]),  # coremltools.optimize.torch: CompressionType.quantization
            "quantization_n_bits": torch.tensor(self.bits),
            "quantization_scale": self.scale,
        }


def store_as(module: nn.Module, parameter: str, integers: Tensor, storage: AffineWeight) -> None:
    """Replace a float parameter of `module` by its compressed form."""
    with torch.no_grad():
        delattr(module, parameter)
        module.register_parameter(parameter, nn.Parameter(integers, requires_grad=False))
        # unsafe: the parametrised weight is float while the stored one is an integer
        parametrize.register_parametrization(module, parameter, storage, unsafe=True)


def restore_float(module: nn.Module, parameter: str) -> None:
    """Undo `store_as`: the parameter is float again, with the values its compressed form stood for."""
    value = getattr(module, parameter).detach().clone()
    # torch's remove_parametrizations edits the class, which deep copies of the module share; this leaves the class alone
    del module.parametrizations
    module.__class__ = type(module).__bases__[0]
    module.register_parameter(parameter, nn.Parameter(value, requires_grad=False))


def compressed_weights(model: nn.Module) -> Iterator[tuple[str, nn.Module, AffineWeight]]:
    """All compressed parameters: (name of the module, the module, how its `weight` is stored)."""
    for name, module in model.named_modules():
        if parametrize.is_parametrized(module, "weight"):
            yield name, module, module.parametrizations["weight"][0]


def describe_compression(model: nn.Module) -> dict[str, dict[str, Any]]:
    """JSON-ready description of the compressed modules, from which `prepare_compression` makes room for loading them."""
    return {name: {"kind": storage.kind, "bits": storage.bits} for name, _, storage in compressed_weights(model)}


def prepare_compression(model: nn.Module, description: Mapping[str, Mapping[str, Any]], *, source: str) -> None:
    """Give the modules named in `description` their compressed form, with zeros, ready for `load_state_dict`."""
    for name, entry in description.items():
        if (entry.get("kind"), entry.get("bits")) != (AffineWeight.kind, AffineWeight.bits):
            raise ModelError(f"{source}: {name} is stored as {dict(entry)}, which this goalkit does not know; update goalkit")
        try:
            module = model.get_submodule(name)
        except AttributeError:
            raise ModelError(
                f"{source}: there is no module {name!r} to hold a compressed weight; save the model again"
            ) from None
        weight = module.weight
        assert isinstance(weight, Tensor)
        store_as(module, "weight", torch.zeros_like(weight, dtype=torch.int8), AffineWeight(torch.ones(len(weight), 1)))
