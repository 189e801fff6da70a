"""How large a package will be, estimated from a model's stored weights."""

from __future__ import annotations

from torch import Tensor, nn

from goalkit.weights.parameters import kept_tensor, stored_weights

PROGRAM, PER_PARAMETER, PER_RESTORED = 9_000, 750, 400
"""Bytes of a program and its manifest: in any case, for the operations of each parameter, and for restoring stored integers.
Measured on packages of coremltools 9.0."""

BLOCK = 64
"""A weight file aligns each tensor to so many bytes, after a header of the same size."""


def estimated_package_bytes(model: nn.Module) -> int:
    """Estimate the bytes of a half-precision package of `model`, without converting it.

    Counted are the integers of stored weights with their bits, all other numbers in half precision, and a program that grows
    with the number of parameters. `CoreMLExporter.package_bytes` measures a real package; for texts of 64 tokens
    they are mostly within 3 % of each other.

    Args:
        model: a model whose parameters are all used, each once.
    """
    stored = {id(kept_tensor(module)): storage for _, module, storage in stored_weights(model)}
    total = PROGRAM
    for parameter in model.parameters():
        total += PER_PARAMETER
        storage = stored.get(id(parameter))
        tensors: list[tuple[Tensor, int]] = []
        if storage is not None:
            tensors = list(storage.integers(parameter))
            total += PER_RESTORED * len(tensors)
        floats = [parameter, *(() if storage is None else storage.buffers())]
        tensors += [(each, 16) for each in floats if each.is_floating_point()]
        total += sum(BLOCK + -(-each.numel() * bits // (8 * BLOCK)) * BLOCK for each, bits in tensors)
    return total
