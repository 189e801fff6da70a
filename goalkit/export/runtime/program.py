"""Executes the ML program in a saved package, operation by operation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from goalkit.errors import RuntimeModelError
from goalkit.export.runtime.compilation import Step, compile_operations, rounded, run_step
from goalkit.export.runtime.interface import Arrays, RuntimeModel
from goalkit.export.runtime.labels import program_labels
from goalkit.export.runtime.operations import KEEPING
from goalkit.export.runtime.values import Blobs, is_half, number_types

PACKAGE_DATA = Path("Data", "com.apple.CoreML")
"""Folder of the model in a package; `@model_path` in the model means this folder."""

PRECISIONS = ("declared", "float16", "float32")
"""Which results are rounded to half precision: those that the file declares as such, all, or none."""

Observer = Callable[[Step, dict[str, Tensor], dict[str, Tensor]], dict[str, Tensor]]
"""Gets a step's results before and after rounding, and returns tensors to collect."""


class MLProgram(RuntimeModel):
    """One function of an ML program.

    Numbers are stored in float32. The result of an operation whose saved type is FLOAT16 is rounded to half precision, as by a
    processor that computes in half precision with wider accumulators (half-precision matrix units do so).
    """

    def __init__(self, spec: Any, model_path: Path, *, precision: str = "declared", function: str | None = None) -> None:
        chosen = function or spec.description.defaultFunctionName or "main"
        functions = spec.mlProgram.functions
        if chosen not in functions:
            known = ", ".join(sorted(functions)) or "none"
            raise RuntimeModelError(f"there is no function {chosen!r} in the package; it has {known}")
        program = functions[chosen]
        if program.opset not in program.block_specializations:
            known = ", ".join(sorted(program.block_specializations)) or "none"
            raise RuntimeModelError(
                f"the function {chosen!r} has no operations for its opset {program.opset!r}, only for {known}: "
                "restore the file or export again"
            )
        block = program.block_specializations[program.opset]
        described = next((each for each in spec.description.functions if each.name == chosen), spec.description)
        super().__init__(described, program_labels(block))
        self._taken = {each.name: number_types()[each.type.tensorType.dataType] for each in program.inputs}
        if self._taken.keys() != self.inputs.keys():
            raise RuntimeModelError(
                f"the function {chosen!r} takes {', '.join(self._taken)}, the model declares {', '.join(self.inputs)}: "
                "restore the file or export again"
            )

        def rounds(kind: str, value_type: Any) -> bool:
            if precision == "declared":
                return is_half(value_type) and kind not in KEEPING
            return precision == "float16"

        self._steps, self._constants = compile_operations(
            block.operations, self.inputs, self.outputs, Blobs(model_path), rounds
        )

    def _execute(self, inputs: Arrays) -> Arrays:
        results = {name: tensor.numpy() for name, tensor in self.execute_tensors(self.tensors(inputs)).items()}
        return {name: self._named[results[name]] if each.is_label else results[name] for name, each in self.outputs.items()}

    def tensors(self, inputs: Arrays) -> dict[str, Tensor]:
        """Convert checked inputs to tensors of the program's number types; half precision is stored as float32."""
        return {
            name: torch.from_numpy(inputs[name].astype(kind.stored, copy=False).astype(kind.held, copy=False))
            for name, kind in self._taken.items()
        }

    def execute_tensors(self, inputs: dict[str, Tensor], observe: Observer | None = None) -> dict[str, Tensor]:
        """Run all steps on N examples at once.

        Args:
            inputs: each [N, *shape], as `tensors` returns them.
            observe: called after every step with the results of one example (vectorised over all) before and after rounding;
                the tensors it returns, by name, are collected with N as the first axis.

        Returns:
            The outputs, and all tensors that `observe` returned.
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
            return {**{name: known[name] for name in self.outputs}, **observed}

        with torch.inference_mode():
            if all(len(tensor) == 1 for tensor in inputs.values()):  # a single example does not need vectorisation
                return {name: tensor[None] for name, tensor in example({key: each[0] for key, each in inputs.items()}).items()}
            results: dict[str, Tensor] = torch.func.vmap(example)(inputs)
        return results
