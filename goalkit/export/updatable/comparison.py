"""Equality of types of features in Core ML (Comparison.cpp)."""

from __future__ import annotations

from typing import Any


def same_type(one: Any, other: Any) -> bool:
    """Whether Core ML considers two `FeatureType` messages equal.

    It ignores whether they are optional. For arrays it compares the shapes if both are fixed, else the ranks.
    """
    kind = one.WhichOneof("Type")
    if kind != other.WhichOneof("Type"):
        return False
    if kind == "multiArrayType":
        return _same_array(one.multiArrayType, other.multiArrayType)
    if kind == "stateType":
        return _same_array(one.stateType.arrayType, other.stateType.arrayType)
    if kind == "dictionaryType":
        return bool(one.dictionaryType.WhichOneof("KeyType") == other.dictionaryType.WhichOneof("KeyType"))
    if kind == "sequenceType":
        return bool(one.sequenceType.WhichOneof("Type") == other.sequenceType.WhichOneof("Type"))
    if kind == "imageType":
        first, second = one.imageType, other.imageType
        return (first.width, first.height, first.colorSpace) == (second.width, second.height, second.colorSpace)
    return True


def _same_array(one: Any, other: Any) -> bool:
    if one.dataType != other.dataType or _rank(one) != _rank(other):
        return False
    flexible = one.WhichOneof("ShapeFlexibility") or other.WhichOneof("ShapeFlexibility")
    return bool(flexible) or list(one.shape) == list(other.shape)


def _rank(array: Any) -> int:
    if array.HasField("enumeratedShapes"):
        return len(array.enumeratedShapes.shapes[0].shape)
    return len(array.shapeRange.sizeRanges if array.HasField("shapeRange") else array.shape)
