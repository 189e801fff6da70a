"""Conversion of a classifier to an ML program in a package."""

from __future__ import annotations

import re
import tempfile
import traceback
from collections.abc import Set
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from goalkit.classifier import Classifier
from goalkit.configuration import json_bytes, to_dict
from goalkit.errors import ExportError, reason_of
from goalkit.export.activations import register_translation
from goalkit.export.agreement import check_package
from goalkit.export.checks import check_program, measured_ranges
from goalkit.export.coreml import chunked_lookup, coremltools, quiet
from goalkit.export.graph import trace
from goalkit.export.package import write_package
from goalkit.export.runtime.program import PACKAGE_DATA
from goalkit.export.runtime.ranges import LARGEST_HALF
from goalkit.outputs import REGRESSION
from goalkit.tokenization import TokenBatch
from goalkit.weights import TARGETS, check_target

SPEC_VERSIONS = dict(zip(TARGETS, (7, 8, 9), strict=True))
"""Specification version per deployment target (coremltools' table)."""

KNOWN_COREMLTOOLS = ("9.0",)


@attrs.frozen(kw_only=True)
class ConversionSettings:
    """Settings of a conversion.

    Args:
        length: tokens per text.
        target: the oldest system that must run the program.
        half: compute in half precision.
        float32_operations: names of results that stay in float32 nevertheless.
        derive_mask: take token ids only, and derive the mask from the padding id.
    """

    length: int
    target: str
    half: bool
    float32_operations: Set[str] = frozenset()
    derive_mask: bool = False

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the program's inputs, each int32 [1, length]."""
        return ("input_ids",) if self.derive_mask else ("input_ids", "attention_mask")


def convert(model: Classifier, path: Path, settings: ConversionSettings) -> None:
    """Convert `model`, and write it as the package `path`.

    Raises:
        ConfigurationError: the target lacks a form in which weights are stored, or quantised activations.
        ExportError: the model cannot be traced, the converter fails or writes another specification version, or the program
            fails a check or does not compute what the model computes.
    """
    ct = coremltools()
    check_target(model, settings.target)
    register_translation()
    traced, agreement = trace(model, settings.length, half=settings.half, derive_mask=settings.derive_mask)
    outputs = ["embedding", *(output.feature for output in model.outputs)]
    with tempfile.TemporaryDirectory() as folder:
        try:
            with quiet(), chunked_lookup():
                converted = ct.convert(
                    traced,
                    inputs=[ct.TensorType(name=name, shape=(1, settings.length), dtype=np.int32) for name in settings.inputs],
                    outputs=[ct.TensorType(name=name, dtype=np.float32) for name in outputs],
                    convert_to="mlprogram",
                    minimum_deployment_target=getattr(ct.target, settings.target),
                    compute_precision=_precision(ct, settings),
                    skip_model_load=True,
                    package_dir=f"{folder}/converted.mlpackage",
                )
        except Exception as error:  # the converter's passes raise exceptions of any kind
            with quiet():
                traceback.clear_frames(error.__traceback__)  # they hold the converter's weights and its temporary folder
            raise ExportError(_explain(ct.__version__, error)) from error
        spec, weights = converted.get_spec(), Path(folder, "converted.mlpackage", PACKAGE_DATA, "weights", "weight.bin")
        if spec.specificationVersion != SPEC_VERSIONS[settings.target]:
            raise ExportError(
                f"{settings.target} needs specification version {SPEC_VERSIONS[settings.target]}, the converter wrote "
                f"{spec.specificationVersion}: choose another deployment target"
            )
        check_program(spec, weights.parent.parent, model)
        _describe(spec, model)
        write_package(path, spec, weights)
    check_package(path, agreement, half=settings.half)


def large_results(model: Classifier, settings: ConversionSettings, calibration: TokenBatch) -> frozenset[str]:
    """Names of the results that come within a factor of 4 of the half-precision maximum, on tokenised texts in float32."""
    with tempfile.TemporaryDirectory() as folder:
        exact = Path(folder, "exact.mlpackage")
        convert(model, exact, attrs.evolve(settings, half=False))
        ranges = measured_ranges(exact, calibration, precision="float32")
    return frozenset(each.name for each in ranges if each.largest > LARGEST_HALF / 4)


def _precision(ct: Any, settings: ConversionSettings) -> Any:
    if not settings.half:
        return ct.precision.FLOAT32
    if not settings.float32_operations:
        return ct.precision.FLOAT16

    def half(operation: Any) -> bool:
        """Return False for an operation with an input or a result too large for half precision."""
        taken = [
            each for value in operation.inputs.values() for each in (value if isinstance(value, list | tuple) else [value])
        ]
        names = {_saved_name(each.name) for each in [*operation.outputs, *taken] if each is not None}
        return not names & settings.float32_operations

    return ct.transform.FP16ComputePrecision(op_selector=half)


def _saved_name(name: str) -> str:
    """Name of a converter's value in the file, where names are identifiers and casts are inserted later."""
    identifier = re.sub(r"\W", "_", name.removesuffix("_cast_fp16_to_fp32"), flags=re.ASCII)
    return f"var_{identifier}" if identifier[:1].isdigit() else identifier


def _explain(version: str, error: Exception) -> str:
    advice = "give the backbone a simpler graph"
    # numpy 2.4 no longer converts an array of one number to a scalar, which some of the converter's functions rely on
    if isinstance(error, TypeError) and "only 0-dimensional arrays can be converted" in str(error):
        advice = (
            "the graph casts a shape to a number, which with this coremltools needs numpy below 2.4 "
            f"(this is {np.__version__}); keep shapes out of the graph"
        )
    elif version not in KNOWN_COREMLTOOLS:
        advice = f"install coremltools {' or '.join(KNOWN_COREMLTOOLS)} (goalkit's constraints.txt has a tested set)"
    return f"coremltools {version} cannot convert this encoder ({type(error).__name__}: {reason_of(error)}): {advice}"


def _describe(spec: Any, model: Classifier) -> None:
    """Write descriptions for Xcode and apps into the file; they are the same for every run."""
    description = spec.description
    names = ", ".join(output.name for output in model.outputs)
    regression = any(output.problem_type == REGRESSION for output in model.outputs)
    does = "Estimates" if regression else "Classifies texts:"
    description.metadata.shortDescription = f"{does} {names}" if names else "Embeds texts"
    metadata = description.metadata.userDefined
    metadata.clear()
    metadata["goalkit.tasks"] = json_bytes([to_dict(output) for output in model.outputs]).decode()
    shorts = {"input_ids": "Token ids, padded", "attention_mask": "1 on tokens, 0 on padding"}
    shorts["embedding"] = "What enters the heads; feed it to an updatable head"
    shorts |= {output.feature: output.description for output in model.outputs}
    for feature in [*description.input, *description.output]:
        feature.shortDescription = shorts[feature.name]
