"""Executing an ML program, operation by operation, as it stands in the saved package."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Tensor

from goalkit.errors import RuntimeModelError, UnsupportedOperationError
from goalkit.export.runtime.interface import Arrays, RuntimeModel
from goalkit.export.runtime.operations import KEEPING, OPERATIONS
from goalkit.export.runtime.values import Blobs, Value, decode, is_half

PACKAGE_DATA = Path("Data", "com.apple.CoreML")
"""Where a package keeps its model; `@model_path` in the model means this folder."""

PRECISIONS = ("declared", "float16", "float32")
"""Which results are rounded to half precision: those that the file declares so, all, or none."""


@attrs.frozen
class Step:
    """One operation, ready to run."""

    name: str
    kind: str
    run: Callable[..., Any]
    """The operation, with its constant arguments bound."""
    arguments: dict[str, str | list[str]]
    """Where each other argument comes from: the name of a value, or of several."""
    outputs: tuple[tuple[str, bool], ...]
    """Name of each result, and whether it is rounded to half precision."""
    spent: tuple[str, ...]
    """Values that no later step needs."""
    rounds: bool = attrs.field(init=False)
    """Whether any result is rounded."""

    @rounds.default
    def _any_rounded(self) -> bool:
        return any(half for _, half in self.outputs)


Observer = Callable[[Step, dict[str, Tensor], dict[str, Tensor]], dict[str, Tensor]]
"""Sees a step's results before and after rounding, and returns tensors to hand back."""


class MLProgram(RuntimeModel):
    """One function of an ML program.

    Numbers are held in float32. The result of an operation whose saved type is FLOAT16 is rounded to half precision, which
    is what a processor computing in half precision with wider accumulators gives (half-precision matrix units do so).
    """

    def __init__(self, spec: Any, model_path: Path, *, precision: str = "declared", function: str | None = None) -> None:
        chosen = function or spec.description.defaultFunctionName or "main"
        functions = spec.mlProgram.functions
        if chosen not in functions:
            raise RuntimeModelError(f"there is no function {chosen!r} in the package; it has {', '.join(sorted(functions))}")
        named = [each for each in spec.description.functions if each.name == chosen]
        super().__init__(named[0] if named else spec.description)
        self._precision = precision
        program = functions[chosen]
        block = program.block_specializations[program.opset]
        self._results = list(block.outputs)
        self._constants: dict[str, Value] = {}
        self._steps = self._compile(block.operations, Blobs(model_path))

    def _compile(self, operations: Any, blobs: Blobs) -> list[Step]:
        """Evaluate constants, once, and bind them; what is left is the work of each prediction."""
        steps: list[Step] = []
        for each in operations:
            outputs = tuple((output.name, self._rounds(each.type, output.type)) for output in each.outputs)
            if each.type == "const":
                self._constants[outputs[0][0]] = decode(each.attributes["val"], blobs)
                continue
            step = self._bind(each, outputs, blobs)
            if step.arguments:
                steps.append(step)
            else:
                self._constants.update(rounded(step, run_step(step, {})))
        return _with_lifetimes(steps, self._results)

    def _rounds(self, kind: str, value_type: Any) -> bool:
        if self._precision == "declared":
            return is_half(value_type) and kind not in KEEPING
        return self._precision == "float16"

    def _bind(self, each: Any, outputs: tuple[tuple[str, bool], ...], blobs: Blobs) -> Step:
        if each.type not in OPERATIONS:
            raise UnsupportedOperationError(
                f"the runtime does not know the operation {each.type} (of {outputs[0][0]}): "
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
            elif names[0] in self._constants:
                constants[parameter] = self._constants[names[0]]
            else:
                arguments[parameter] = names[0]
        return Step(outputs[0][0], each.type, partial(OPERATIONS[each.type], **constants), arguments, outputs, ())

    def _execute(self, inputs: Arrays) -> Arrays:
        results = self.execute_tensors({name: torch.from_numpy(array) for name, array in inputs.items()})
        return {name: results[name].numpy() for name in self._results}

    def execute_tensors(self, inputs: dict[str, Tensor], observe: Observer | None = None) -> dict[str, Tensor]:
        """Run all steps on N examples at once.

        Args:
            inputs: each [N, *shape].
            observe: called after every step with its results before and after rounding, one example's as it seems; what it
                returns, tensors by name, is handed back with N as the first axis.

        Returns:
            The outputs, and all that `observe` returned.
        """

        def example(values: dict[str, Tensor]) -> dict[str, Tensor]:
            known: dict[str, Any] = {**self._constants, **values}
            observed: dict[str, Tensor] = {}
            for step in self._steps:
                exact = run_step(step, known)
                found = rounded(step, exact)
                if observe is not None:
                    observed.update(observe(step, exact, found))
                known.update(found)
                for name in step.spent:
                    del known[name]
            return {**{name: known[name] for name in self._results}, **observed}

        with torch.inference_mode():
            if all(len(tensor) == 1 for tensor in inputs.values()):  # a single one needs none of the machinery of a batch
                return {name: tensor[None] for name, tensor in example({key: each[0] for key, each in inputs.items()}).items()}
            results: dict[str, Tensor] = torch.func.vmap(example)(inputs)
        return results


def run_step(step: Step, values: dict[str, Any]) -> dict[str, Tensor]:
    """The results of one operation, not yet rounded."""
    arguments = {
        parameter: values[source] if isinstance(source, str) else [values[name] for name in source]
        for parameter, source in step.arguments.items()
    }
    try:
        result = step.run(**arguments)
    except (NotImplementedError, TypeError) as fault:
        raise UnsupportedOperationError(
            f"the runtime cannot execute {step.kind} (of {step.name}) with {fault}: extend its function in "
            "goalkit.export.runtime.operations"
        ) from fault
    except IndexError as fault:
        raise RuntimeModelError(
            f"{step.kind} (of {step.name}) looks beyond its table ({fault}): check the token ids"
        ) from fault
    results = result if isinstance(result, tuple) else (result,)
    return {name: tensor for (name, _), tensor in zip(step.outputs, results, strict=True)}


def rounded(step: Step, results: dict[str, Tensor]) -> dict[str, Tensor]:
    """The results of one operation, in half precision where it asks for that."""
    if not step.rounds:
        return results
    return {
        name: results[name].half().float() if half and results[name].is_floating_point() else results[name]
        for name, half in step.outputs
    }


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
