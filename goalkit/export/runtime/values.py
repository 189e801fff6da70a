"""Values of an ML program as torch tensors: constants in the file, and weights in the blob files next to it."""

from __future__ import annotations

import struct
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from goalkit.errors import RuntimeModelError
from goalkit.export.coreml import mil_proto
from goalkit.export.runtime.labels import Label, read_list
from goalkit.export.runtime.packing import unpack_array

Value = Tensor | str | tuple[Label, ...]
"""An argument of an operation: tensors for numbers (float32 for half precision), strings for names and modes, or labels."""

_SENTINEL = 0xDEADBEEF
_ENTRY = struct.Struct("<IIQQ")  # sentinel, data type, bytes, offset of the data; MILBlob's blob_metadata


@attrs.frozen
class NumberType:
    """How a number type of MIL is stored, and the torch type that holds it: torch computes in few integer types."""

    stored: Any
    held: Any
    bits: int = 0
    """Bits of a number smaller than a byte, which is stored packed; otherwise 0."""
    signed: bool = False


@cache
def number_types() -> dict[int, NumberType]:
    """The number types of MIL by their number in MIL.proto."""
    mil = mil_proto()
    plain = {
        mil.BOOL: (np.bool_, np.bool_),
        mil.FLOAT16: (np.float16, np.float32),
        mil.FLOAT32: (np.float32, np.float32),
        mil.FLOAT64: (np.float64, np.float64),
        mil.INT8: (np.int8, np.int8),
        mil.INT16: (np.int16, np.int16),
        mil.INT32: (np.int32, np.int32),
        mil.INT64: (np.int64, np.int64),
        mil.UINT8: (np.uint8, np.uint8),
        mil.UINT16: (np.uint16, np.int32),
        mil.UINT32: (np.uint32, np.int64),
    }
    packed = {mil.UINT1: 1, mil.UINT2: 2, mil.UINT3: 3, mil.UINT4: 4, mil.UINT6: 6}
    return {
        **{kind: NumberType(stored, held) for kind, (stored, held) in plain.items()},
        **{kind: NumberType(np.uint8, np.uint8, bits) for kind, bits in packed.items()},
        mil.INT4: NumberType(np.uint8, np.int8, 4, signed=True),
    }


class Blobs:
    """The weight files of a package: every weight follows a 64-byte entry with its size and offset."""

    def __init__(self, model_path: Path) -> None:
        self._model_path = model_path
        self._files: dict[str, npt.NDArray[np.uint8]] = {}

    def read(self, name: str, offset: int, dtype: npt.DTypeLike, count: int) -> npt.NDArray[Any]:
        """Read the `count` numbers whose entry is at `offset` of a file. Raises RuntimeModelError if any are missing.

        Args:
            name: the file name in the model, such as `@model_path/weights/weight.bin`.
            offset: in bytes.
            dtype: the stored number type.
            count: how many numbers to read.
        """
        path = self._model_path / name.removeprefix("@model_path/")
        if name not in self._files:
            try:
                self._files[name] = np.memmap(path, dtype=np.uint8, mode="r")
            except (OSError, ValueError) as error:
                raise RuntimeModelError(f"{path} cannot be read ({error}): restore the package or export again") from error
        data = self._files[name]
        header = data[offset : offset + _ENTRY.size].tobytes()
        if len(header) == _ENTRY.size:
            sentinel, _, size, start = _ENTRY.unpack(header)
            if sentinel == _SENTINEL and size == count * np.dtype(dtype).itemsize and start + size <= len(data):
                return data[start : start + size].view(dtype)
        raise RuntimeModelError(
            f"{path} is truncated or damaged: no complete weight at byte {offset} of {len(data)}; "
            "restore the package or export again"
        )


def shape_of(tensor_type: Any) -> tuple[int, ...]:
    """Return the fixed shape of a tensor type."""
    return tuple(int(dimension.constant.size) for dimension in tensor_type.dimensions)


def is_half(value_type: Any) -> bool:
    """Whether a value is declared in half precision."""
    return bool(value_type.tensorType.dataType == mil_proto().FLOAT16)


def decode(value: Any, blobs: Blobs) -> Value:
    """Decode a constant of the program: a tensor, a string, or a list of labels.

    Raises:
        RuntimeModelError: a weight file lacks it, or its type is unknown.
    """
    if value.type.HasField("listType"):
        return read_list(value)
    mil = mil_proto()
    tensor_type = value.type.tensorType
    if tensor_type.dataType == mil.STRING:
        return str(value.immediateValue.tensor.strings.values[0])
    kind = number_types().get(tensor_type.dataType)
    if kind is None:
        raise RuntimeModelError(f"the runtime does not know constants of type {mil.DataType.Name(tensor_type.dataType)}")
    shape = shape_of(tensor_type)
    count = int(np.prod(shape, dtype=np.int64))
    stored = -(-count * kind.bits // 8) if kind.bits else count
    if value.WhichOneof("value") == "blobFileValue":
        array = blobs.read(value.blobFileValue.fileName, value.blobFileValue.offset, kind.stored, stored)
    else:
        tensor = value.immediateValue.tensor
        field = tensor.WhichOneof("value")
        held = getattr(tensor, field).values if field else ()
        array = np.frombuffer(bytes(held), np.dtype(kind.stored)) if field == "bytes" else np.array(held, kind.stored)
    if kind.bits:
        array = unpack_array(np.asarray(array), kind.bits, count)
    numbers = array.astype(kind.held)
    if kind.signed:
        numbers = np.where(numbers >= 1 << (kind.bits - 1), numbers - (1 << kind.bits), numbers).astype(kind.held)
    return torch.from_numpy(numbers.reshape(shape))
