"""Checks of a converted program for errors that a conversion does not report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from goalkit.classifier import Classifier
from goalkit.errors import ExportError
from goalkit.export.calibration import Calibration
from goalkit.export.runtime import MLProgram, OperationRange, load_model, operation_ranges
from goalkit.export.runtime.packing import pack_bits
from goalkit.export.runtime.values import Blobs, decode
from goalkit.tokenization import TokenBatch
from goalkit.weights import kept_tensor, quantised_inputs, stored_weights


def check_program(spec: Any, model_path: Path, model: Classifier) -> None:
    """Check that the program's number types hold its constants, and that compressed weights and activations are in it.

    No constant may become infinite and no epsilon zero; integers of weights and scales of activations must be unchanged.

    Args:
        spec: the program's protobuf message.
        model_path: the folder of its weights.
        model: the model it was converted from.

    Raises:
        ExportError: a check fails; the message names the operation or weight.
    """
    written: set[bytes] = set()
    constants: dict[str, Tensor] = {}
    for owner, parameter, value in _constants(spec, Blobs(model_path)):
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise ExportError(
                f"the constant {owner} is too large for its number type: use a smaller one in the graph "
                "(goalkit masks with -1e4), or export with precision='float32'"
            )
        if parameter == "epsilon" and float(value) <= 0:
            raise ExportError(f"the epsilon of {owner} is zero in half precision: use 1e-7 or more, or precision='float32'")
        constants[owner] = value
        if value.dtype in (torch.int8, torch.uint8):
            written.add(value.numpy().tobytes())
    for name, module, storage in stored_weights(model):
        for integers, bits in storage.integers(kept_tensor(module)):
            packed = pack_bits(integers.flatten(), bits) if bits < 8 else integers
            if not {integers.numpy().tobytes(), packed.numpy().tobytes()} & written:
                raise ExportError(f"the converter did not keep the integers of {name}: export the uncompressed model instead")
    scales = [_scales(spec, kind, constants) for kind in ("quantize", "dequantize")]
    for name, _, quantised in quantised_inputs(model):
        if not all(quantised.scale in each for each in scales):
            raise ExportError(f"the converter did not keep the scale of the input of {name}: leave activations as they are")


def check_ranges(package: Path, calibration: Calibration, *, function: str | None = None) -> None:
    """Execute a package on calibration texts, and check that half precision does not overflow and no result is NaN.

    Args:
        package: a `.mlpackage`.
        calibration: texts of its length.
        function: the function to execute, if the package has several; by default its default function.

    Raises:
        ExportError: a check fails; the message names the first such operation and the text.
    """
    for each in measured_ranges(package, calibration.batch, precision="declared", function=function):
        if each.overflows or each.not_a_number:
            what = "overflows" if each.overflows else "is not a number"
            raise ExportError(
                f"in half precision the result of {each.kind} (of {each.name}) {what} on {each.example!r}, of {calibration}: "
                "export with precision='mixed', which keeps such operations in float32, or rescale a MobileBERT first "
                "(goalkit.export.rescale_for_half_precision)"
            )


def measured_ranges(
    package: Path, batch: TokenBatch, *, precision: str, function: str | None = None
) -> tuple[OperationRange, ...]:
    """Measure the ranges of a package's operations on tokenised texts; for the arguments see `load_model`."""
    program = load_model(package, precision=precision, function=function)
    assert isinstance(program, MLProgram)
    examples = batch.texts or [f"text {number}" for number in range(1, len(batch) + 1)]
    return operation_ranges(program, program_inputs(program, batch), examples)


def program_inputs(program: Any, batch: TokenBatch) -> dict[str, Any]:
    """Return N tokenised texts as the inputs of a program with fixed shapes [1, S], with or without a mask."""
    arrays = {"input_ids": batch.input_ids[:, None], "attention_mask": batch.attention_mask[:, None]}
    return {name: arrays[name] for name in program.inputs}


def _scales(spec: Any, kind: str, constants: Mapping[str, Tensor]) -> set[float]:
    """Return the scales of all operations of a kind."""
    operations = [
        each
        for program in spec.mlProgram.functions.values()
        for each in program.block_specializations[program.opset].operations
    ]
    return {float(constants[each.inputs["scale"].arguments[0].name]) for each in operations if each.type == kind}


def _constants(spec: Any, blobs: Blobs) -> Iterator[tuple[str, str, Tensor]]:
    """Yield every constant tensor of the program: the name of its operation, its parameter, and the value."""
    for program in spec.mlProgram.functions.values():
        operations = program.block_specializations[program.opset].operations
        consumers = {
            binding.name: parameter
            for each in operations
            for parameter, argument in each.inputs.items()
            for binding in argument.arguments
        }
        for each in operations:
            values = dict(each.attributes)
            values |= {name: argument.arguments[0].value for name, argument in each.inputs.items() if argument.arguments}
            for parameter, value in values.items():
                if value.WhichOneof("value") is None:
                    continue
                decoded = decode(value, blobs)
                if isinstance(decoded, Tensor):
                    name = each.outputs[0].name
                    yield name, consumers.get(name, "") if each.type == "const" else parameter, decoded
