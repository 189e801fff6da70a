"""Executing an ML program, operation by operation, as it stands in the saved package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Tensor

from goalkit.errors import RuntimeModelError, UnsupportedOperationError
from goalkit.export.runtime.interface import Arrays, RuntimeModel
from goalkit.export.runtime.operations import OPERATIONS
from goalkit.export.runtime.values import BlobFile, Value, decode, is_half

PACKAGE_DATA = Path("Data", "com.apple.CoreML")
"""Where a package keeps its model; `@model_path` in the model means this folder."""


@attrs.frozen
class Step:
    """One operation, ready to run: constants are bound, other arguments are named."""

    name: str
    kind: str
    run: Callable[..., Any]
    constants: dict[str, Any]
    arguments: dict[str, str | list[str]]
    outputs: tuple[tuple[str, bool], ...]
    """Name of each result, and whether it is declared in half precision."""
    spent: tuple[str, ...]
    """Values that no later step needs."""


class MLProgram(RuntimeModel):
    """The main function of an ML program.

    Numbers are held in float32. The result of an operation whose saved type is FLOAT16 is rounded to half precision, which
    is what a processor computing in half precision with wider accumulators gives (half-precision matrix units do so).
    """

    def __init__(self, spec: Any, package: Path) -> None:
        super().__init__(spec.description)
        functions = spec.mlProgram.functions
        if "main" not in functions:
            raise RuntimeModelError(f"{package} has no function main, only {', '.join(functions)}: export a single function")
        function = functions["main"]
        block = function.block_specializations[function.opset]
        blobs = BlobFile(package / PACKAGE_DATA / "weights" / "weight.bin")
        self._results = list(block.outputs)
        self._constants: dict[str, Value] = {}
        self._steps = self._compile(block.operations, blobs)

    def _compile(self, operations: Any, blobs: BlobFile) -> list[Step]:
        """Evaluate constants, once, and bind them; what is left is the work of each prediction."""
        steps: list[Step] = []
        for each in operations:
            outputs = tuple((output.name, is_half(output.type)) for output in each.outputs)
            if each.type == "const":
                self._constants[outputs[0][0]] = decode(each.attributes["val"], blobs)
                continue
            step = self._bind(each, outputs, blobs)
            if not step.arguments:
                self._constants.update(_run(step, {}))
            else:
                steps.append(step)
        return _with_lifetimes(steps, self._results)

    def _bind(self, each: Any, outputs: tuple[tuple[str, bool], ...], blobs: BlobFile) -> Step:
        if each.type not in OPERATIONS:
            raise UnsupportedOperationError(
                f"the runtime does not know the operation {each.type} (of {outputs[0][0]}): "
                "add it to goalkit.export.runtime.operations"
            )
        constants: dict[str, Any] = {name: decode(value, blobs) for name, value in each.attributes.items() if name != "name"}
        arguments: dict[str, str | list[str]] = {}
        for parameter, argument in each.inputs.items():
            bindings = argument.arguments
            if any(binding.WhichOneof("binding") == "value" for binding in bindings):
                constants[parameter] = decode(bindings[0].value, blobs)
                continue
            names = [binding.name for binding in bindings]
            if parameter == "values":
                arguments[parameter] = names
            elif names[0] in self._constants:
                constants[parameter] = self._constants[names[0]]
            else:
                arguments[parameter] = names[0]
        return Step(outputs[0][0], each.type, OPERATIONS[each.type], constants, arguments, outputs, ())

    def _execute(self, inputs: Arrays) -> Arrays:
        tensors = {name: torch.from_numpy(array) for name, array in inputs.items()}
        with torch.inference_mode():
            results: dict[str, Tensor] = torch.func.vmap(self._example)(tensors)
        return {name: tensor.numpy() for name, tensor in results.items()}

    def _example(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        values: dict[str, Any] = {**self._constants, **inputs}
        for step in self._steps:
            values.update(_run(step, values))
            for name in step.spent:
                del values[name]
        return {name: values[name] for name in self._results}


def _run(step: Step, values: dict[str, Any]) -> dict[str, Tensor]:
    arguments = {
        parameter: values[source] if isinstance(source, str) else [values[name] for name in source]
        for parameter, source in step.arguments.items()
    }
    try:
        result = step.run(**step.constants, **arguments)
    except (NotImplementedError, TypeError) as fault:
        raise UnsupportedOperationError(
            f"the runtime cannot execute {step.kind} (of {step.name}): {fault}; extend it in goalkit.export.runtime.operations"
        ) from fault
    results = result if isinstance(result, tuple) else (result,)
    return {name: tensor.half().float() if half else tensor for (name, half), tensor in zip(step.outputs, results, strict=True)}


def _with_lifetimes(steps: list[Step], results: list[str]) -> list[Step]:
    """Note with each step which results are not needed after it, so that memory stays flat."""
    produced = {name for step in steps for name, _ in step.outputs}
    needed, timed = set(results), []
    for step in reversed(steps):
        read = {name for source in step.arguments.values() for name in ([source] if isinstance(source, str) else source)}
        touched = (read & produced) | {name for name, _ in step.outputs}
        timed.append(attrs.evolve(step, spent=tuple(sorted(touched - needed))))
        needed |= read
    return timed[::-1]
