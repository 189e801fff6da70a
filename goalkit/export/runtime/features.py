"""Declared inputs and outputs of a saved model: names, shapes, number types."""

from __future__ import annotations

import math
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from goalkit.errors import RuntimeModelError, UnsupportedOperationError
from goalkit.export.coreml import model_proto

Shape = tuple[int, ...]
Sizes = tuple[tuple[int, float], ...]
"""Smallest and largest size of each axis; infinity if unbounded."""


@attrs.frozen
class Feature:
    """An input or output of a saved model.

    Args:
        name: as in the file.
        shape: without a batch axis; the default shape, if the file allows several. It is () for a label, and for an output
            whose shape depends on that of an input.
        dtype: number type; `np.str_` or `np.int64` for a label.
        flexible: other shapes that an input may have: the enumerated ones, or one with a range per axis.
        default: the number that fills an optional input that is not given; None if the input is required.
    """

    name: str
    shape: Shape
    dtype: npt.DTypeLike
    flexible: tuple[Sizes, ...] = ()
    default: float | None = None

    @property
    def is_label(self) -> bool:
        """Whether the feature is a label instead of an array of numbers."""
        return self.dtype in (np.str_, np.int64)

    def admits(self, shape: Shape) -> bool:
        """Whether an array of the feature may have this shape, without a batch axis."""
        return shape == self.shape or any(
            len(shape) == len(sizes) and all(low <= size <= high for size, (low, high) in zip(shape, sizes, strict=True))
            for sizes in self.flexible
        )

    @property
    def allowed(self) -> str:
        """Describe the allowed shapes, for messages."""
        return " or ".join(map(_written, self.flexible)) or str(list(self.shape))


def _written(sizes: Sizes) -> str:
    axes = [f"{low}" if low == high else f"{low} or more" if math.isinf(high) else f"{low} to {high}" for low, high in sizes]
    return f"[{', '.join(axes)}]"


def read_input(description: Any) -> Feature:
    """Read the input that a `FeatureDescription` declares.

    Raises:
        UnsupportedOperationError: it is not an array of a supported number type.
    """
    kind = description.type.WhichOneof("Type")
    if kind != "multiArrayType":
        raise UnsupportedOperationError(_unsupported("input", description.name, kind))
    return _read_array("input", description)


def read_output(description: Any) -> Feature:
    """Read the output that a `FeatureDescription` declares.

    Raises:
        UnsupportedOperationError: it is neither an array of a supported number type nor a label.
    """
    kind = description.type.WhichOneof("Type")
    if kind in ("stringType", "int64Type"):
        return Feature(description.name, (), np.str_ if kind == "stringType" else np.int64)
    if kind != "multiArrayType":
        raise UnsupportedOperationError(_unsupported("output", description.name, kind))
    return _read_array("output", description)


def _unsupported(side: str, name: str, kind: str | None) -> str:
    what = (kind or "undeclared").removesuffix("Type")
    return f"the {side} {name} is of type {what}, which the runtime does not support: convert the model with arrays of numbers"


def _read_array(side: str, description: Any) -> Feature:
    array = description.type.multiArrayType
    kinds = model_proto().ArrayFeatureType
    dtypes = {
        kinds.FLOAT32: np.float32,
        kinds.FLOAT16: np.float16,
        kinds.DOUBLE: np.float64,
        kinds.INT32: np.int32,
        kinds.INT8: np.int8,
    }
    if array.dataType not in dtypes:
        raise UnsupportedOperationError(
            f"the {side} {description.name} is an array of the unknown number type {array.dataType}: "
            "convert the model with float32, float16, double, int32 or int8"
        )
    flexible = _flexible(array)
    shape = tuple(map(int, array.shape)) or (tuple(low for low, _ in flexible[0]) if flexible else ())
    if (side == "input" and not shape) or min(shape, default=0) < 0:
        raise RuntimeModelError(f"the {side} {description.name} declares no shape: restore the file or export again")
    default = None
    if description.type.isOptional:
        field = array.WhichOneof("defaultOptionalValue")
        # Core ML's documentation does not define the value of an input without a default; recurrent states start at zero
        default = float(getattr(array, field)) if field else 0.0
    return Feature(description.name, shape, dtypes[array.dataType], flexible, default)


def _flexible(array: Any) -> tuple[Sizes, ...]:
    if array.HasField("enumeratedShapes"):
        return tuple(tuple((int(size), int(size)) for size in each.shape) for each in array.enumeratedShapes.shapes)
    if array.HasField("shapeRange"):
        ranges = array.shapeRange.sizeRanges
        return (tuple((int(each.lowerBound), int(each.upperBound) if each.upperBound >= 0 else math.inf) for each in ranges),)
    return ()
