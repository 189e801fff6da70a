"""The labels of saved classifiers."""

from __future__ import annotations

from typing import Any

Label = str | int


def class_labels(classifier: Any) -> tuple[Label, ...]:
    """Return the labels of a classifier's protobuf message (`ClassLabels`), in the order of its probabilities."""
    return tuple(classifier.stringClassLabels.vector) or tuple(map(int, classifier.int64ClassLabels.vector))


def model_labels(spec: Any) -> tuple[Label, ...]:
    """Return the labels of a saved model; empty if it is not a classifier."""
    kind = spec.WhichOneof("Type")
    part = getattr(spec, kind)
    if kind == "mlProgram":
        found = [program_labels(each.block_specializations[each.opset]) for each in part.functions.values()]
    elif kind in ("pipeline", "pipelineClassifier"):
        found = [model_labels(each) for each in (part if kind == "pipeline" else part.pipeline).models]
    else:
        found = [class_labels(part)] if kind.endswith("Classifier") else []
    return next((labels for labels in reversed(found) if labels), ())


def program_labels(block: Any) -> tuple[Label, ...]:
    """Return the labels of the operation `classify` in an ML program's block; empty if there is no such operation."""
    for operation in block.operations:
        if operation.type == "classify":
            return read_list(operation.inputs["classes"].arguments[0].value)
    return ()


def read_list(value: Any) -> tuple[Label, ...]:
    """Read a constant list of strings or integers of an ML program."""
    items = [each.immediateValue.tensor for each in value.immediateValue.list.values]
    return tuple(str(each.strings.values[0]) if each.HasField("strings") else int(each.longInts.values[0]) for each in items)
