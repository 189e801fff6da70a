"""Core ML's rules for the declared interface of a model (Model.cpp, InterfaceValidators.cpp)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from goalkit.export.coreml import model_proto

NETWORKS = ("neuralNetwork", "neuralNetworkClassifier", "neuralNetworkRegressor")
PIPELINES = ("pipeline", "pipelineClassifier", "pipelineRegressor")
NEIGHBOURS = "kNearestNeighborsClassifier"
PROGRAM = "mlProgram"

UPDATABLE_SINCE, PROGRAMS_SINCE, FUNCTIONS_SINCE = 4, 6, 9
"""Specification versions of iOS 13, iOS 15 and iOS 18."""
FLEXIBLE_SINCE, DEFAULTS_SINCE, HALF_SINCE, NO_INPUT_SINCE, INT8_SINCE = 3, 5, 7, 9, 10
"""Specification versions of iOS 12, iOS 14, iOS 16, iOS 18 and iOS 26."""
NEWEST = 10


def model_type(spec: Any) -> Iterator[str]:
    """The type of model can be updatable."""
    kind = spec.WhichOneof("Type")
    if kind is None:
        yield "the model has no type"
    elif spec.isUpdatable and kind not in (*NETWORKS, *PIPELINES, NEIGHBOURS):
        yield f"a model of type {kind} can never be updatable; put the part that learns into a neural network after it"


def specification_version(spec: Any) -> Iterator[str]:
    """The specification version supports all that the model uses."""
    version = spec.specificationVersion
    least = PROGRAMS_SINCE if spec.HasField(PROGRAM) else UPDATABLE_SINCE if spec.isUpdatable else 1
    if version < least:
        yield f"specificationVersion is {version}, a model like this needs {least}"
    elif version > NEWEST:
        yield f"specificationVersion is {version}, the newest known version is {NEWEST}"


def multi_function(spec: Any) -> Iterator[str]:
    """A model with several functions declares everything in them."""
    description = spec.description
    if not description.functions and not description.defaultFunctionName:
        return
    for field in ("input", "output", "state", "predictedFeatureName", "predictedProbabilitiesName", "trainingInput"):
        if getattr(description, field):
            yield f"a model with several functions may not set {field} outside of them"
    if not spec.HasField(PROGRAM):
        yield f"a model of type {spec.WhichOneof('Type')} cannot have several functions"
    if spec.specificationVersion < FUNCTIONS_SINCE:
        yield f"several functions need specificationVersion {FUNCTIONS_SINCE}, the model has {spec.specificationVersion}"
    names = [each.name for each in description.functions]
    if description.defaultFunctionName not in names:
        known = ", ".join(names) or "none"
        yield f"the default function {description.defaultFunctionName!r} is not among the functions: {known}"


def features(spec: Any) -> Iterator[str]:
    """There are inputs and outputs, and each is declared completely."""
    version, description = spec.specificationVersion, spec.description
    for each in description.functions or [description]:
        if not each.input and (version < NO_INPUT_SINCE or spec.HasField(NEIGHBOURS)):
            yield "there is no input"
        if not each.output:
            yield "there is no output"
        for side in ("input", "output"):
            for feature in getattr(each, side):
                yield from (f"{side} {feature.name} {message}" for message in _feature(feature, side, version))


def _feature(feature: Any, side: str, version: int) -> Iterator[str]:
    kind = feature.type.WhichOneof("Type")
    if not feature.name:
        yield "has no name"
    if kind is None:
        yield "has no type"
    elif kind == "multiArrayType":
        yield from _array(feature.type.multiArrayType, side, version)
    elif kind == "dictionaryType" and feature.type.dictionaryType.WhichOneof("KeyType") is None:
        yield "is a dictionary without a key type"


def _array(array: Any, side: str, version: int) -> Iterator[str]:
    flexibility = array.WhichOneof("ShapeFlexibility") if version >= FLEXIBLE_SINCE else None
    if side == "input" and not array.shape and not flexibility:
        yield "has no shape"
    if min(array.shape, default=0) < 0:
        yield f"has the shape {list(array.shape)}"
    if flexibility == "enumeratedShapes":
        yield from _enumerated(list(array.shape), [list(each.shape) for each in array.enumeratedShapes.shapes])
    elif flexibility == "shapeRange":
        yield from _ranged(list(array.shape), [(each.lowerBound, each.upperBound) for each in array.shapeRange.sizeRanges])
    kinds = model_proto().ArrayFeatureType
    defaults = {
        kinds.DOUBLE: "doubleDefaultValue",
        kinds.FLOAT32: "floatDefaultValue",
        kinds.FLOAT16: "floatDefaultValue",
        kinds.INT32: "intDefaultValue",
        kinds.INT8: "intDefaultValue",
    }
    since = {kinds.FLOAT16: HALF_SINCE, kinds.INT8: INT8_SINCE}
    if array.dataType not in defaults:
        yield "has an unknown number type"
        return
    if version < since.get(array.dataType, 1):
        yield f"has a number type that needs specificationVersion {since[array.dataType]}, the model has {version}"
    given = array.WhichOneof("defaultOptionalValue")
    if given not in (None, defaults[array.dataType]):
        yield f"has a default of another number type ({given})"
    elif array.dataType == kinds.INT8 and not -128 <= array.intDefaultValue <= 127:
        yield f"has the default {array.intDefaultValue}, which is out of range for int8"


def _enumerated(shape: list[int], shapes: list[list[int]]) -> Iterator[str]:
    if not all(shapes) or not shapes:
        yield "enumerates no shapes, or an empty one"
    elif shape and shape not in shapes:
        yield f"has the default shape {shape}, which is not among the enumerated shapes"


def _ranged(shape: list[int], ranges: list[tuple[int, int]]) -> Iterator[str]:
    if any(0 < high < low for low, high in ranges):
        yield "has a size range whose upper bound is below its lower bound"
    elif shape and len(shape) != len(ranges):
        yield f"has {len(ranges)} size ranges for the default shape {shape}"
    elif any(size < low or 0 <= high < size for size, (low, high) in zip(shape, ranges, strict=False)):
        yield f"has the default shape {shape}, which is outside its size ranges"


def optional(spec: Any) -> Iterator[str]:
    """Only features that may be optional are."""
    left_out = [each for each in spec.description.input if each.type.isOptional]
    computes = spec.WhichOneof("Type") in (*NETWORKS, PROGRAM)
    for each in left_out:
        if spec.HasField(NEIGHBOURS):
            yield f"input {each.name} is optional, which nearest neighbours do not allow"
        if each.type.multiArrayType.WhichOneof("defaultOptionalValue") is None:
            continue
        if not computes:
            yield f"input {each.name} has a default, which only networks and programs may have"
        elif spec.specificationVersion < DEFAULTS_SINCE:
            yield f"input {each.name} has a default, which needs specificationVersion {DEFAULTS_SINCE}"
    if computes and left_out and len(left_out) == len(spec.description.input):
        yield "all inputs are optional"
    for each in spec.description.output:
        if each.type.isOptional:
            yield f"output {each.name} is optional"


def classifier(spec: Any) -> Iterator[str]:
    """A classifier has labels, and outputs for the label and its probabilities; a regressor has an output for its number."""
    kind, description = spec.WhichOneof("Type"), spec.description
    part = getattr(spec, kind)
    kinds = {each.name: each.type.WhichOneof("Type") for each in reversed(description.output)}
    found = kinds.get(description.predictedFeatureName)
    if kind == "neuralNetworkRegressor":
        if found not in ("doubleType", "multiArrayType"):
            yield f"predictedFeatureName {description.predictedFeatureName!r} names no output that is a number or an array"
        return
    labels = part.WhichOneof("ClassLabels")
    if kind != NEIGHBOURS and not (labels and getattr(part, labels).vector):
        yield "there are no class labels"
    numbered = "int64" in (labels or (kind == NEIGHBOURS and part.WhichOneof("DefaultClassLabel")) or "").lower()
    if found != ("int64Type" if numbered else "stringType"):
        yield (
            f"predictedFeatureName {description.predictedFeatureName!r} names no output with the type of the labels, "
            f"{'int64' if numbered else 'string'}"
        )
    probabilities = description.predictedProbabilitiesName
    if probabilities and kinds.get(probabilities) not in ("dictionaryType", "multiArrayType"):
        yield f"predictedProbabilitiesName {probabilities!r} names no output that is a dictionary or an array"
