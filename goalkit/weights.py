"""Compressed weights: how a parameter that is stored as small integers behaves in torch, on disk and in Core ML.

A compressed weight is a torch parametrisation: the module keeps the integers, and computes the weight from them when it
is used. Techniques in `goalkit.compress` decide the integers; the exporter carries them over as they are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from goalkit.errors import ModelError


class StoredWeight(nn.Module, ABC):
    """How a weight is computed from the small integers that are kept of it."""

    kind: ClassVar[str]
    bits: int

    @abstractmethod
    def forward(self, integers: Tensor) -> Tensor:
        """Integers [rows, columns] to the weight, float32 [rows, columns]."""

    @abstractmethod
    def coreml_metadata(self) -> dict[str, Tensor]:
        """What coremltools' converter reads from `_COREML_/<parameter>/…` buffers to emit the same integers."""

    @classmethod
    @abstractmethod
    def empty(cls, weight: Tensor, bits: int) -> tuple[Tensor, Self]:
        """Integers and storage of the right shapes for a weight, to be filled by `load_state_dict`."""


class AffineWeight(StoredWeight):
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
        """See `StoredWeight.forward`; integers are int8."""
        return integers.to(self.scale.dtype) * self.scale

    def coreml_metadata(self) -> dict[str, Tensor]:
        """See `StoredWeight.coreml_metadata`."""
        return {
            "compression_type": torch.tensor([3]),  # coremltools.optimize.torch: CompressionType.quantization
            "quantization_n_bits": torch.tensor(self.bits),
            "quantization_scale": self.scale,
        }

    @classmethod
    def empty(cls, weight: Tensor, bits: int) -> tuple[Tensor, Self]:
        """See `StoredWeight.empty`."""
        return torch.zeros_like(weight, dtype=torch.int8), cls(torch.ones(len(weight), 1))


class PaletteWeight(StoredWeight):
    """A weight stored as indices i into a table: w = palette[i].

    Args:
        palette: float32 [2^bits], increasing, representable in half precision.
    """

    kind = "palette"

    def __init__(self, palette: Tensor) -> None:
        super().__init__()
        self.bits = (len(palette) - 1).bit_length()
        self.palette: Tensor
        self.register_buffer("palette", palette)

    def forward(self, integers: Tensor) -> Tensor:
        """See `StoredWeight.forward`; integers are uint8."""
        return self.palette[integers.long()]

    def coreml_metadata(self) -> dict[str, Tensor]:
        """See `StoredWeight.coreml_metadata`."""
        return {
            "compression_type": torch.tensor([2]),  # coremltools.optimize.torch: CompressionType.palettization
            "lut": self.palette.reshape(1, 1, -1, 1),
        }

    @classmethod
    def empty(cls, weight: Tensor, bits: int) -> tuple[Tensor, Self]:
        """See `StoredWeight.empty`."""
        return torch.zeros_like(weight, dtype=torch.uint8), cls(torch.zeros(2**bits))


FORMS: dict[str, type[StoredWeight]] = {form.kind: form for form in (AffineWeight, PaletteWeight)}
"""The forms that a saved model may hold."""


def store_as(module: nn.Module, parameter: str, integers: Tensor, storage: StoredWeight) -> None:
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


def compressed_weights(model: nn.Module) -> Iterator[tuple[str, nn.Module, StoredWeight]]:
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
        kind, bits = entry.get("kind"), entry.get("bits")
        if kind not in FORMS or not isinstance(bits, int) or not 1 <= bits <= 8:
            raise ModelError(f"{source}: {name} is stored as {dict(entry)}, which this goalkit does not know; update goalkit")
        try:
            module = model.get_submodule(name)
        except AttributeError:
            raise ModelError(
                f"{source}: there is no module {name!r} to hold a compressed weight; save the model again"
            ) from None
        weight = module.weight
        assert isinstance(weight, Tensor)
        store_as(module, "weight", *FORMS[kind].empty(weight, bits))
