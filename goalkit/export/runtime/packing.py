"""Small integers packed into bytes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


def unpack_bits(packed: Tensor, bits: int, count: int) -> Tensor:
    """Unpack `count` unsigned integers of `bits` bits each, from bytes filled from the least significant bit on.

    Args:
        packed: uint8 [bytes].
        bits: 1 to 8.
        count: number of integers; remaining bits are padding.

    Returns:
        uint8 [count].
    """
    return torch.from_numpy(unpack_array(packed.numpy(), bits, count))


def unpack_array(packed: npt.NDArray[np.uint8], bits: int, count: int) -> npt.NDArray[np.uint8]:
    """Like `unpack_bits`, for arrays."""
    flags = np.unpackbits(packed, bitorder="little")[: bits * count].reshape(count, bits)
    values: npt.NDArray[np.uint8] = np.packbits(flags, axis=1, bitorder="little")[:, 0]
    return values


def pack_bits(values: Tensor, bits: int) -> Tensor:
    """Pack uint8 or int8 [count], in two's complement, into bytes: the inverse of `unpack_bits`."""
    flags = np.unpackbits(values.numpy().view(np.uint8)[:, None], axis=1, count=bits, bitorder="little")
    return torch.from_numpy(np.packbits(flags, bitorder="little"))
