"""Compiles the operations of a saved program to steps that are ready to run."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import attrs
from torch import Tensor

from goalkit.errors import RuntimeModelError, UnsupportedOperationError, reason_of
from goalkit.export.runtime.operations import OPERATIONS
from goalkit.export.runtime.values import Blobs, Value, decode

Rounds = Callable[[str, Any], bool]
"""Whether the result of an operation of this kind, with this declared type, is rounded to half precision."""


@attrs.frozen
class Step:
    """One operation, ready to run."""

    name: str
    kind: str
    run: Callable[..., Any]
    """The function, with its constant arguments bound."""
    arguments: dict[str, str | list[str]]
    """Source of each other argument: the name of a value, or of several."""
    outputs: tuple[tuple[str, bool], ...]
    """Name of each result, and whether it is rounded to half precision."""
    spent: tuple[str, ...]
    """Values that later steps do not need."""
    rounds: bool = attrs.field(init=False)
    """Whether any result is rounded."""

    @rounds.default
    def _any_rounded(self) -> bool:
        return any(half for _, half in self.outputs)

    @property
    def reads(self) -> set[str]:
        """Names of all values that the step takes."""
        return {name for source in self.arguments.values() for name in ([source] if isinstance(source, str) else source)}


def compile_operations(
    operations: Any, inputs: Collection[str], results: Collection[str], blobs: Blobs, rounds: Rounds
) -> tuple[list[Step], dict[str, Value]]:
    """Evaluate the constants and bind them, once; the steps are what remains to be done per prediction.

    Args:
        operations: the operations of the program's block, as protobuf messages, in order.
        inputs: names of the given values.
        results: names of the required values.
        blobs: the weight files.
        rounds: which results are rounded.

    Returns:
        The steps, and the constants by name.

    Raises:
        RuntimeModelError: an operation takes a value that no earlier one produces or lacks a parameter, or a weight is missing.
        UnsupportedOperationError: an operation or one of its parameters is unknown.
    """
    steps: list[Step] = []
    constants: dict[str, Value] = {}
    made = set(inputs)
    for each in operations:
        outputs = tuple((output.name, rounds(each.type, output.type)) for output in each.outputs)
        if each.type == "const":
            constants[outputs[0][0]] = decode(each.attributes["val"], blobs)
            continue
        step = _bind(each, outputs, constants, blobs)
        if unknown := sorted(step.reads - made - constants.keys()):
            raise RuntimeModelError(
                f"{step.kind} (of {step.name}) takes {', '.join(unknown)}, which no earlier operation produces: "
                "restore the file or export again"
            )
        if step.arguments:
            steps.append(step)
            made |= {name for name, _ in outputs}
        else:
            constants.update(rounded(step, run_step(step, {})))
    if missing := sorted(set(results) - made - constants.keys()):
        raise RuntimeModelError(f"no operation produces the output {', '.join(missing)}: restore the file or export again")
    return _with_lifetimes(steps, results), constants


def _bind(each: Any, outputs: tuple[tuple[str, bool], ...], known: dict[str, Value], blobs: Blobs) -> Step:
    kind, name = each.type, outputs[0][0]
    if kind not in OPERATIONS:
        raise UnsupportedOperationError(
            f"the runtime does not know the operation {kind} (of {name}): "
            "add a function for it to goalkit.export.runtime.operations"
        )
    constants: dict[str, Any] = {name: decode(value, blobs) for name, value in each.attributes.items() if name != "name"}
    arguments: dict[str, str | list[str]] = {}
    for parameter, argument in each.inputs.items():
        bindings = argument.arguments
        if bindings[0].WhichOneof("binding") == "value":
            constants[parameter] = decode(bindings[0].value, blobs)
            continue
        names = [binding.name for binding in bindings]
        if parameter == "values":
            arguments[parameter] = names
        elif names[0] in known:
            constants[parameter] = known[names[0]]
        else:
            arguments[parameter] = names[0]
    signature, given = inspect.signature(OPERATIONS[kind]), dict.fromkeys([*constants, *arguments])
    try:
        signature.bind_partial(**given)
    except TypeError as error:
        raise UnsupportedOperationError(
            f"the runtime does not know this form of {kind} (of {name}), which {error}: "
            "extend its function in goalkit.export.runtime.operations"
        ) from error
    try:
        signature.bind(**given)
    except TypeError as error:
        raise RuntimeModelError(f"{kind} (of {name}) is {error}: restore the file or export again") from error
    return Step(name, kind, partial(OPERATIONS[kind], **constants), arguments, outputs, ())


def run_step(step: Step, values: dict[str, Any]) -> dict[str, Tensor]:
    """Run one operation and return its results, not yet rounded.

    Raises:
        UnsupportedOperationError: its function does not support this case.
        RuntimeModelError: it fails on its arguments.
    """
    arguments = {
        parameter: values[source] if isinstance(source, str) else [values[name] for name in source]
        for parameter, source in step.arguments.items()
    }
    try:
        result = step.run(**arguments)
        results = result if isinstance(result, tuple) else (result,)
        return {name: tensor for (name, _), tensor in zip(step.outputs, results, strict=True)}
    except NotImplementedError as error:
        raise UnsupportedOperationError(
            f"the runtime cannot execute {step.kind} (of {step.name}) with {error}: extend its function in "
            "goalkit.export.runtime.operations"
        ) from error
    except Exception as error:  # torch raises its own exceptions
        raise RuntimeModelError(_failure(step, arguments, error)) from error


def _failure(step: Step, arguments: dict[str, Any], error: Exception) -> str:
    if isinstance(error, IndexError) and step.kind in ("gather", "gather_nd"):
        return f"{step.kind} (of {step.name}) reads outside its table ({error}): check the token ids"
    shapes = ", ".join(
        f"{name} {list(part.shape)}"
        for name, each in arguments.items()
        for part in (each if isinstance(each, list) else [each])
        if isinstance(part, Tensor)
    )
    return (
        f"{step.kind} (of {step.name}) does not fit {shapes} ({reason_of(error)}): if an input did not have its default "
        "shape, the program was traced with the sizes of that shape: use it or convert the model again; else restore the file"
    )


def rounded(step: Step, results: dict[str, Tensor]) -> dict[str, Tensor]:
    """Round the results of one operation to half precision where the step requires it."""
    if not step.rounds:
        return results
    return {
        name: results[name].half().float() if half and results[name].is_floating_point() else results[name]
        for name, half in step.outputs
    }


def _with_lifetimes(steps: list[Step], results: Collection[str]) -> list[Step]:
    """Record with each step which values are not needed after it, so that they can be freed."""
    produced = {name for step in steps for name, _ in step.outputs}
    needed, timed = set(results), []
    for step in reversed(steps):
        touched = (step.reads & produced) | {name for name, _ in step.outputs}
        timed.append(attrs.evolve(step, spent=tuple(sorted(touched - needed))))
        needed |= step.reads
    return timed[::-1]
