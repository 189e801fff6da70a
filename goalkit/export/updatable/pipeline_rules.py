"""Core ML's rules for pipelines (PipelineValidator.cpp), and further ones that an app needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from goalkit.export.updatable.comparison import same_type


def members_of(spec: Any) -> list[Any]:
    """Return the models in a pipeline."""
    part = getattr(spec, spec.WhichOneof("Type"))
    return list(part.models if spec.HasField("pipeline") else part.pipeline.models)


def _names(spec: Any) -> list[str]:
    part = getattr(spec, spec.WhichOneof("Type"))
    return list(part.names if spec.HasField("pipeline") else part.pipeline.names)


def version_of_members(spec: Any) -> Iterator[str]:
    """The version of a pipeline is no older than that of any member (coremltools ensures this; Core ML does not check it)."""
    most = max((each.specificationVersion for each in members_of(spec)), default=1)
    if spec.specificationVersion < most:
        yield f"specificationVersion of the pipeline is {spec.specificationVersion}, a member needs {most}"


def updatable_member(spec: Any) -> Iterator[str]:
    """In an updatable pipeline the last member is updatable, and no other; else none is."""
    members = members_of(spec)
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


def features(spec: Any) -> Iterator[str]:
    """Each member takes only features that are available, and every output of the pipeline is computed."""
    members = members_of(spec)
    if not members:
        yield "there is no member"
    known = {feature.name: feature.type for feature in spec.description.input}
    for position, member in enumerate(members):
        for feature in member.description.input:
            if feature.name not in known:
                yield f"input {feature.name} of member {position} is neither an input of the pipeline nor an earlier output"
            elif not same_type(feature.type, known[feature.name]):
                yield f"input {feature.name} of member {position} differs in type or shape from the value it receives"
        known |= {feature.name: feature.type for feature in member.description.output}
    for feature in spec.description.output:
        if feature.name not in known:
            yield f"no member computes the output {feature.name}"
        elif not same_type(feature.type, known[feature.name]):
            yield f"output {feature.name} differs in type or shape from the computed value"


def names(spec: Any) -> Iterator[str]:
    """Members' names are unique, if they have any."""
    names, members = _names(spec), members_of(spec)
    if names and len(names) != len(members):
        yield f"there are {len(names)} names for {len(members)} members"
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"two members are called {name}"


def training_inputs(spec: Any) -> Iterator[str]:
    """Training inputs are declared, which Core ML's validator does not check for pipelines but an app needs."""
    if not spec.isUpdatable:
        return
    given = {feature.name for feature in spec.description.trainingInput}
    if not given & {feature.name for feature in spec.description.input}:
        yield "trainingInput of the pipeline contains none of its inputs"
    target = spec.description.predictedFeatureName
    if target and target not in given:
        yield f"trainingInput of the pipeline lacks the target, {target}"
