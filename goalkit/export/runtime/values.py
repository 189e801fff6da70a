"""Values of an ML program: constants in the file, and weights in the blob file beside it, as torch tensors."""

from __future__ import annotations

import struct
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from goalkit.errors import RuntimeModelError
from goalkit.export.coreml import mil_proto

Value = Tensor | str
"""What an operation takes: numbers are tensors, half-precision ones held as float32; names and modes are strings."""

_WIDER: dict[Any, npt.DTypeLike] = {np.float16: np.float32, np.uint16: np.int32}
"""Types that torch computes with slowly or not at all, and those that hold all their values."""

_SENTINEL = 0xDEADBEEF
_ENTRY = struct.Struct("<IIQQ")  # sentinel, data type, bytes, offset of the data; MILBlob's blob_metadata


@cache
def _numpy_types() -> dict[int, npt.DTypeLike]:
    mil = mil_proto()
    return {
        mil.BOOL: np.bool_,
        mil.FLOAT16: np.float16,
        mil.FLOAT32: np.float32,
        mil.INT8: np.int8,
        mil.UINT8: np.uint8,
        mil.INT16: np.int16,
        mil.UINT16: np.uint16,
        mil.INT32: np.int32,
    }


class BlobFile:
    """The `weight.bin` of a package: every weight lies behind a 64-byte entry that tells its size and place."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._data: npt.NDArray[np.uint8] | None = None

    def read(self, offset: int, dtype: npt.DTypeLike, count: int) -> npt.NDArray[Any]:
        """The `count` numbers whose entry lies at `offset`. Raises RuntimeModelError if they are not all there."""
        if self._data is None:
            try:
                self._data = np.memmap(self._path, dtype=np.uint8, mode="r")
            except (OSError, ValueError) as fault:
                raise RuntimeModelError(
                    f"{self._path} cannot be read ({fault}): restore the package or export again"
                ) from fault
        wanted = count * np.dtype(dtype).itemsize
        header = self._data[offset : offset + _ENTRY.size].tobytes()
        if len(header) < _ENTRY.size:
            raise self._damaged(offset)
        sentinel, _, size, start = _ENTRY.unpack(header)
        if sentinel != _SENTINEL or size != wanted or start + size > len(self._data):
            raise self._damaged(offset)
        return self._data[start : start + size].view(dtype)

    def _damaged(self, offset: int) -> RuntimeModelError:
        length = 0 if self._data is None else len(self._data)
        return RuntimeModelError(
            f"{self._path} is truncated or damaged: no whole weight at byte {offset} of {length}; "
            "restore the package or export again"
        )


def shape_of(tensor_type: Any) -> tuple[int, ...]:
    """The fixed shape of a tensor type; an unknown dimension counts as an error of the caller."""
    return tuple(int(dimension.constant.size) for dimension in tensor_type.dimensions)


def is_half(value_type: Any) -> bool:
    """Whether a value is declared in half precision."""
    return bool(value_type.tensorType.dataType == mil_proto().FLOAT16)


def decode(value: Any, blobs: BlobFile) -> Value:
    """A constant of the program as a tensor (half precision widened to float32, integers kept) or a string.

    Raises:
        RuntimeModelError: the weight file lacks it, or its type is not known.
    """
    mil = mil_proto()
    tensor_type = value.type.tensorType
    shape, kind = shape_of(tensor_type), tensor_type.dataType
    if kind == mil.STRING:
        return str(value.immediateValue.tensor.strings.values[0])
    dtype = _numpy_types().get(kind)
    if dtype is None:
        raise RuntimeModelError(
            f"constants of type {mil.DataType.Name(kind)} are not supported: export with int8 or wider numbers"
        )
    if value.WhichOneof("value") == "blobFileValue":
        array = blobs.read(value.blobFileValue.offset, dtype, int(np.prod(shape, dtype=np.int64)))
    else:
        tensor = value.immediateValue.tensor
        field = tensor.WhichOneof("value")
        held = getattr(tensor, field).values if field else ()
        array = np.frombuffer(bytes(held), np.dtype(dtype)) if field == "bytes" else np.array(held, dtype)
    return torch.from_numpy(array.astype(_WIDER.get(dtype, dtype)).reshape(shape))
