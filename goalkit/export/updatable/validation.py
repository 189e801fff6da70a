"""Core ML's rules for models that are updated on the device, checked on any system.

On a Mac they are checked when a model is compiled; coremltools does not check them elsewhere. They are those of Core ML's own
validator (coremltools, mlmodel/src/Validation: InterfaceValidators, NeuralNetworkValidator and its layers,
UpdatableNeuralNetworkValidator, ParameterValidator, PipelineValidator, KNearestNeighborsClassifierValidator; Model.cpp and
Comparison.cpp). A few more cover what an app needs but the validator does not check; docs/updatable.md lists them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from goalkit.errors import UpdatableModelError
from goalkit.export.runtime.damage import model_errors
from goalkit.export.runtime.loading import read_spec
from goalkit.export.updatable import interface_rules, layer_rules, neighbour_rules, pipeline_rules
from goalkit.export.updatable.interface_rules import NEIGHBOURS, NETWORKS, PIPELINES
from goalkit.export.updatable.network_rules import NETWORK_RULES

Rule = Callable[[Any], Iterator[str]]
"""Yields a sentence per violation found in a model's protobuf message."""


@attrs.frozen
class Violation:
    """A violated rule: its name, and a message that says what is wrong where."""

    rule: str
    message: str


def validate_updatable(path: str | Path) -> None:
    """Check a saved model against Core ML's rules for updatable models.

    Args:
        path: a `.mlmodel` file or `.mlpackage` folder.

    Raises:
        UpdatableModelError: it breaks rules; the message names each of them and says what is wrong.
        RuntimeModelError: the file is missing or damaged.
    """
    path = Path(path)
    with model_errors(path):
        raise_violations(read_spec(path), str(path))


def raise_violations(spec: Any, source: str) -> None:
    """Raise UpdatableModelError, which names `source`, if the model's protobuf message breaks rules."""
    if violations := find_violations(spec):
        messages = "; ".join(f"{each.rule}: {each.message}" for each in violations)
        raise UpdatableModelError(f"{source} cannot be updated on a device: {messages}; correct the model and save it again")


def find_violations(spec: Any) -> list[Violation]:
    """Return the violations of the rules for updatable models in a model's protobuf message."""
    found = [] if spec.isUpdatable else [Violation("is-updatable", "isUpdatable is not set")]
    return found + _broken(spec)


def _broken(spec: Any) -> list[Violation]:
    kind = spec.WhichOneof("Type")
    violations = _apply(MODEL_RULES, spec)
    if kind in ("neuralNetworkClassifier", "neuralNetworkRegressor", NEIGHBOURS):
        violations += _apply(CLASSIFIER_RULES, spec)
    if kind in NETWORKS:
        violations += _apply(LAYER_RULES, spec)
        violations += _apply(NETWORK_RULES, spec) if spec.isUpdatable else []
    elif kind == NEIGHBOURS:
        violations += _apply(NEIGHBOUR_RULES, spec)
    elif kind in PIPELINES:
        violations += _apply(PIPELINE_RULES, spec)
        for position, member in enumerate(pipeline_rules.members_of(spec)):
            violations += [
                Violation(each.rule, f"member {position} of the pipeline: {each.message}") for each in _broken(member)
            ]
    return violations


def _apply(rules: Mapping[str, Rule], spec: Any) -> list[Violation]:
    return [Violation(name, message) for name, rule in rules.items() for message in rule(spec)]


MODEL_RULES: dict[str, Rule] = {
    "model-type": interface_rules.model_type,
    "specification-version": interface_rules.specification_version,
    "multi-function": interface_rules.multi_function,
    "features": interface_rules.features,
    "optional-features": interface_rules.optional,
}
CLASSIFIER_RULES: dict[str, Rule] = {"classifier": interface_rules.classifier}
LAYER_RULES: dict[str, Rule] = {
    "shape-mapping": layer_rules.shape_mapping,
    "blobs": layer_rules.blobs,
    "layer-contents": layer_rules.layer_contents,
    "ranks": layer_rules.ranks,
}
PIPELINE_RULES: dict[str, Rule] = {
    "specification-version": pipeline_rules.version_of_members,
    "pipeline-updatable-member": pipeline_rules.updatable_member,
    "pipeline-features": pipeline_rules.features,
    "pipeline-names": pipeline_rules.names,
    "pipeline-training-inputs": pipeline_rules.training_inputs,
}
NEIGHBOUR_RULES: dict[str, Rule] = {
    "neighbour-count": neighbour_rules.count,
    "neighbour-votes": neighbour_rules.votes,
    "neighbour-index": neighbour_rules.index,
}
