"""Translation of stored forms of weights to the metadata that coremltools' converter reads.

The converter looks for buffers called `_COREML_/<parameter>/<key>` and emits the operation that restores the weight from the
same integers (coremltools.optimize.torch, compression metadata of version 1).
"""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import torch
from torch import Tensor

from goalkit.errors import ExportError
from goalkit.weights import AffineWeight, PaletteWeight, SparseWeight, StoredWeight

METADATA_VERSION = "_COREML_/metadata_version", torch.tensor(1)

PRUNED, PALETTISED, QUANTISED = 1, 2, 3
"""coremltools' compression types; a weight of a joint form has several, in the order in which they were applied."""


def weight_metadata(storage: StoredWeight[Any]) -> dict[str, Tensor]:
    """Return the buffers to register next to the `weight` of a module. Raises ExportError for a form without a translation."""
    return {f"_COREML_/weight/{key}": value for key, value in translate(storage).items()}


@singledispatch
def translate(storage: StoredWeight[Any]) -> dict[str, Tensor]:
    """Return coremltools' metadata for a stored weight, by key; `translate.register` adds a form.

    Raises:
        ExportError: there is no translation for weights of this form.
    """
    raise ExportError(
        f"a weight stored as {storage.form} ({type(storage).__name__}) has no translation to Core ML: register one with "
        "goalkit.export.metadata.translate.register, or export the uncompressed model"
    )


@translate.register
def _affine(storage: AffineWeight) -> dict[str, Tensor]:
    return {
        "compression_type": torch.tensor([QUANTISED]),
        "quantization_n_bits": torch.tensor(storage.form.bits),
        "quantization_scale": storage.scale,
    }


@translate.register
def _palette(storage: PaletteWeight) -> dict[str, Tensor]:
    groups = storage.palette.reshape(-1, 2**storage.form.bits)
    return {"compression_type": torch.tensor([PALETTISED]), "lut": groups[:, None, :, None]}


@translate.register
def _sparse(storage: SparseWeight) -> dict[str, Tensor]:
    values = {} if storage.values is None else translate(storage.values)
    return {**values, "compression_type": torch.tensor([PRUNED, *values.get("compression_type", ())])}
