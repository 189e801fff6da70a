"""From a traced graph to an ML program, checked against what was asked for."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from goalkit.configuration import json_bytes, to_dict
from goalkit.errors import ExportError
from goalkit.export.coreml import coremltools, mil_proto, quiet
from goalkit.export.graph import trace
from goalkit.export.package import write_package
from goalkit.export.runtime.values import Blobs, decode
from goalkit.model import GoalModel
from goalkit.weights import compressed_weights

SPEC_VERSIONS = {"iOS16": 7, "iOS17": 8, "iOS18": 9}
"""Deployment targets, and the specification version that each writes (coremltools' table)."""


def convert(model: GoalModel, path: Path, *, length: int, target: str, half: bool) -> None:
    """Convert `model` for texts of `length` tokens, and write it as the package `path`.

    Raises:
        ExportError: the converter fails, writes another specification version, or loses a compressed weight.
    """
    ct = coremltools()
    traced = trace(model, length)
    inputs = [ct.TensorType(name=name, shape=(1, length), dtype=np.int32) for name in ("input_ids", "attention_mask")]
    names = ["embedding", *(f"{task.name}_probabilities" for task in model.tasks)]
    with tempfile.TemporaryDirectory() as folder:
        try:
            with quiet():
                converted = ct.convert(
                    traced,
                    inputs=inputs,
                    outputs=[ct.TensorType(name=name, dtype=np.float32) for name in names],
                    convert_to="mlprogram",
                    minimum_deployment_target=getattr(ct.target, target),
                    compute_precision=ct.precision.FLOAT16 if half else ct.precision.FLOAT32,
                    skip_model_load=True,
                    package_dir=f"{folder}/converted.mlpackage",
                )
        except Exception as fault:  # the converter raises whatever its passes stumble over
            raise ExportError(
                f"coremltools {ct.__version__} cannot convert this encoder ({type(fault).__name__}: {fault}): "
                "install the versions of goalkit's constraints.txt, or give the backbone a simpler graph"
            ) from fault
        spec, weights = converted.get_spec(), Path(converted.weights_dir) / "weight.bin"
        if spec.specificationVersion != SPEC_VERSIONS[target]:
            raise ExportError(
                f"{target} needs specification version {SPEC_VERSIONS[target]}, the converter wrote "
                f"{spec.specificationVersion}: choose another deployment target"
            )
        _check_compression(model, spec, weights)
        _describe(spec, model)
        write_package(path, spec, weights)


def _check_compression(model: GoalModel, spec: Any, weights: Path) -> None:
    """Every compressed weight must have arrived as the integers that were decided in torch."""
    function = spec.mlProgram.functions["main"]
    blobs, arrived = Blobs(weights.parent.parent), set()
    for operation in function.block_specializations[function.opset].operations:
        bound = [binding.value for argument in operation.inputs.values() for binding in argument.arguments]
        for value in [*operation.attributes.values(), *bound]:
            if value.type.tensorType.dataType in (mil_proto().INT8, mil_proto().UINT8):
                integers = decode(value, blobs)
                assert not isinstance(integers, str)
                arrived.add(integers.numpy().tobytes())
    for name, module, _ in compressed_weights(model):
        integers = module.parametrizations["weight"].original  # type: ignore[index,union-attr]
        if integers.numpy().tobytes() not in arrived:
            raise ExportError(f"the converter did not keep the 8-bit integers of {name}: export the uncompressed model instead")


def _describe(spec: Any, model: GoalModel) -> None:
    """Texts for Xcode, and the tasks for an app, inside the file; nothing that differs from one run to the next."""
    description = spec.description
    description.metadata.shortDescription = "Classifies short Chinese texts: " + ", ".join(task.name for task in model.tasks)
    metadata = description.metadata.userDefined
    metadata.clear()
    metadata["goalkit.tasks"] = json_bytes([to_dict(task) for task in model.tasks]).decode()
    shorts = {"input_ids": "Token ids, padded with [PAD]", "attention_mask": "1 on tokens, 0 on padding"}
    shorts["embedding"] = "What enters the heads; feed it to an updatable head"
    shorts |= {f"{task.name}_probabilities": "Probabilities of " + " ".join(task.labels) for task in model.tasks}
    for feature in [*description.input, *description.output]:
        feature.shortDescription = shorts[feature.name]
