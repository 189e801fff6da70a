"""Core ML's rules for models that are updated on the device, enforced on any system.

On a Mac they are enforced when a model is compiled; elsewhere nothing in coremltools does. They are those of Core ML's own
validator (coremltools, mlmodel/src/Validation: InterfaceValidators, PipelineValidator, UpdatableNeuralNetworkValidator,
ParameterValidator, KNearestNeighborsClassifierValidator; and Model.cpp). Two more concern what an app needs and the
validator does not ask: `pipeline-training-inputs`, and half-precision weights in `updatable-weights`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from goalkit.errors import UpdatableModelError
from goalkit.export.runtime.loading import read_spec
from goalkit.export.updatable.network_rules import NETWORK_RULES
from goalkit.export.updatable.parameters import whole_number_faults

UPDATABLE_SINCE, PROGRAMS_SINCE, FUNCTIONS_SINCE = 4, 6, 9
"""Specification versions of iOS 13, iOS 15 and iOS 18."""

NETWORKS = ("neuralNetwork", "neuralNetworkClassifier", "neuralNetworkRegressor")
PIPELINES = ("pipeline", "pipelineClassifier", "pipelineRegressor")
NEIGHBOURS = "kNearestNeighborsClassifier"

Rule = Callable[[Any], Iterator[str]]
"""From a model's protobuf message to a sentence for each fault."""


@attrs.frozen
class Violation:
    """A rule that a model breaks: its name, and what is wrong where."""

    rule: str
    fault: str


def validate_updatable(path: str | Path) -> None:
    """Hold a saved model, anyone's, to Core ML's rules for updatable models.

    Args:
        path: a `.mlmodel` file or `.mlpackage` folder.

    Raises:
        UpdatableModelError: it breaks rules; each is named with what is wrong.
        RuntimeModelError: the file is missing or damaged.
    """
    path = Path(path)
    raise_violations(read_spec(path), str(path))


def raise_violations(spec: Any, source: str) -> None:
    """Raises UpdatableModelError, which speaks of `source`, if the model's protobuf message breaks rules."""
    if violations := find_violations(spec):
        faults = "; ".join(f"{each.rule}: {each.fault}" for each in violations)
        raise UpdatableModelError(f"{source} cannot be updated on a device: {faults}; correct the model and save it again")


def find_violations(spec: Any) -> list[Violation]:
    """The rules that a model's protobuf message breaks as an updatable model."""
    found = [] if spec.isUpdatable else [Violation("is-updatable", "isUpdatable is not set")]
    return found + _broken(spec)


def _broken(spec: Any) -> list[Violation]:
    kind = spec.WhichOneof("Type")
    violations = _apply(MODEL_RULES, spec)
    if kind in NETWORKS and spec.isUpdatable:
        violations += _apply(NETWORK_RULES, spec)
    elif kind == NEIGHBOURS:
        violations += _apply(NEIGHBOUR_RULES, spec)
    elif kind in PIPELINES:
        violations += _apply(PIPELINE_RULES, spec)
        for position, member in enumerate(_members(spec)):
            violations += [Violation(each.rule, f"member {position} of the pipeline: {each.fault}") for each in _broken(member)]
    return violations


def _apply(rules: Mapping[str, Rule], spec: Any) -> list[Violation]:
    return [Violation(name, fault) for name, rule in rules.items() for fault in rule(spec)]


def _members(spec: Any) -> list[Any]:
    part = getattr(spec, spec.WhichOneof("Type"))
    return list(part.models if spec.HasField("pipeline") else part.pipeline.models)


def _names(spec: Any) -> list[str]:
    part = getattr(spec, spec.WhichOneof("Type"))
    return list(part.names if spec.HasField("pipeline") else part.pipeline.names)


def _model_type(spec: Any) -> Iterator[str]:
    kind = spec.WhichOneof("Type")
    if spec.isUpdatable and kind not in (*NETWORKS, *PIPELINES, NEIGHBOURS):
        yield (f"a model of type {kind} can never be updatable; put what is to learn into a neural network behind it")


def _specification_version(spec: Any) -> Iterator[str]:
    version, kind = spec.specificationVersion, spec.WhichOneof("Type")
    least = PROGRAMS_SINCE if kind == "mlProgram" else UPDATABLE_SINCE if spec.isUpdatable else 1
    if version < least:
        yield f"specificationVersion is {version}, a model like this needs {least}"
    elif kind in PIPELINES and version < (most := max((each.specificationVersion for each in _members(spec)), default=1)):
        yield f"specificationVersion of the pipeline is {version}, a member needs {most}"


def _multi_function(spec: Any) -> Iterator[str]:
    description = spec.description
    if description.functions:
        for field in ("input", "output", "state", "predictedFeatureName", "predictedProbabilitiesName", "trainingInput"):
            if getattr(description, field):
                yield f"a model with several functions may not set {field} outside of them"
        if spec.specificationVersion < FUNCTIONS_SINCE:
            yield f"several functions need specificationVersion {FUNCTIONS_SINCE}, this has {spec.specificationVersion}"


def _updatable_member(spec: Any) -> Iterator[str]:
    members = _members(spec)
    if not spec.isUpdatable:
        for position, member in enumerate(members):
            if member.isUpdatable:
                yield f"member {position} is updatable, the pipeline is not"
        return
    for position, member in enumerate(members[:-1]):
        if member.isUpdatable:
            yield f"member {position} is updatable, but only the last may be"
    if members and not members[-1].isUpdatable:
        yield "the last member is not updatable"


def _pipeline_features(spec: Any) -> Iterator[str]:
    members = _members(spec)
    if not members:
        yield "there is no member"
    known = {feature.name: feature.type for feature in spec.description.input}
    for position, member in enumerate(members):
        for feature in member.description.input:
            if feature.name not in known:
                yield f"input {feature.name} of member {position} is neither an input of the pipeline nor an earlier output"
            elif feature.type != known[feature.name]:
                yield f"input {feature.name} of member {position} has another type or shape than what it is given"
        known |= {feature.name: feature.type for feature in member.description.output}
    for feature in spec.description.output:
        if feature.name not in known:
            yield f"output {feature.name} is made by no member"
        elif feature.type != known[feature.name]:
            yield f"output {feature.name} has another type or shape than what is made"


def _pipeline_names(spec: Any) -> Iterator[str]:
    names, members = _names(spec), _members(spec)
    if names and len(names) != len(members):
        yield f"there are {len(names)} names for {len(members)} members"
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"two members are called {name}"


def _pipeline_training_inputs(spec: Any) -> Iterator[str]:
    if not spec.isUpdatable:
        return
    given = {feature.name for feature in spec.description.trainingInput}
    if not given & {feature.name for feature in spec.description.input}:
        yield "trainingInput of the pipeline has none of its inputs"
    target = spec.description.predictedFeatureName
    if target and target not in given:
        yield f"trainingInput of the pipeline lacks {target}, what is to be learnt"


def _neighbour_count(spec: Any) -> Iterator[str]:
    yield from whole_number_faults("numberOfNeighbors", spec.kNearestNeighborsClassifier.numberOfNeighbors)


def _neighbour_votes(spec: Any) -> Iterator[str]:
    classifier = spec.kNearestNeighborsClassifier
    if classifier.WhichOneof("WeightingScheme") is None:
        yield "there is no weighting scheme"
    given, default = classifier.WhichOneof("ClassLabels"), classifier.WhichOneof("DefaultClassLabel")
    if default is None and not (classifier.stringClassLabels.vector or classifier.int64ClassLabels.vector):
        yield "without labels a default label is needed"
    if given and default and given[:5] != default.removeprefix("default").lower()[:5]:
        yield "the default label has another type than the labels"


def _neighbour_index(spec: Any) -> Iterator[str]:
    classifier = spec.kNearestNeighborsClassifier
    index = classifier.nearestNeighborsIndex
    labels = max(len(classifier.stringClassLabels.vector), len(classifier.int64ClassLabels.vector))
    if len(index.floatSamples) != labels:
        yield f"there are {len(index.floatSamples)} examples and {labels} labels"
    if any(len(sample.vector) != index.numberOfDimensions for sample in index.floatSamples):
        yield f"an example has another width than {index.numberOfDimensions}"
    kind = index.WhichOneof("IndexType")
    if kind is None:
        yield "there is no index type"
    elif kind == "singleKdTreeIndex" and index.singleKdTreeIndex.leafSize <= 0:
        yield "the leaf size of the tree is not positive"
    if index.WhichOneof("DistanceFunction") is None:
        yield "there is no distance function"


MODEL_RULES: dict[str, Rule] = {
    "model-type": _model_type,
    "specification-version": _specification_version,
    "multi-function": _multi_function,
}
PIPELINE_RULES: dict[str, Rule] = {
    "pipeline-updatable-member": _updatable_member,
    "pipeline-features": _pipeline_features,
    "pipeline-names": _pipeline_names,
    "pipeline-training-inputs": _pipeline_training_inputs,
}
NEIGHBOUR_RULES: dict[str, Rule] = {
    "neighbour-count": _neighbour_count,
    "neighbour-votes": _neighbour_votes,
    "neighbour-index": _neighbour_index,
}
