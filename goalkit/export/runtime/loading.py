"""Loading a saved `.mlpackage` or `.mlmodel`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from goalkit.errors import ConfigurationError, RuntimeModelError, UnsupportedOperationError
from goalkit.export.coreml import model_proto
from goalkit.export.runtime.damage import model_errors
from goalkit.export.runtime.interface import RuntimeModel
from goalkit.export.runtime.native import NativeModel
from goalkit.export.runtime.neighbours import NearestNeighboursClassifier
from goalkit.export.runtime.network import NeuralNetworkClassifier
from goalkit.export.runtime.pipeline import Pipeline
from goalkit.export.runtime.program import PRECISIONS, MLProgram

MANIFEST = "Manifest.json"


def load_model(
    path: str | Path, *, precision: str = "declared", function: str | None = None, native: bool = False
) -> RuntimeModel:
    """Load a saved model for execution on this machine.

    Args:
        path: a `.mlpackage` folder or a `.mlmodel` file with an ML program, a neural network classifier, a
            nearest-neighbours classifier, or a pipeline of these.
        precision: "declared" rounds the results that the file declares in half precision, as a device does; "float16" rounds
            all results, as a stress test; "float32" rounds none.
        function: the function to load from a package with several; by default its default function.
        native: execute with Core ML itself, which needs a Mac and rounds as the file declares.

    Raises:
        ConfigurationError: the precision is unknown, or the precision or the function has no effect on this model.
        RuntimeModelError: the file is missing, damaged or of another kind.
        UnsupportedOperationError: it contains something that the runtime does not execute: an operation, an image, a state.
    """
    if precision not in PRECISIONS:
        raise ConfigurationError(f"there is no precision {precision!r}; choose one of {', '.join(PRECISIONS)}")
    if native and (precision != "declared" or function is not None):
        raise ConfigurationError("precision and function are for goalkit's own runtime: leave them out with native=True")
    path = Path(path)
    with model_errors(path):
        spec = read_spec(path)
        if precision == "float16" and spec.WhichOneof("Type") in ("neuralNetworkClassifier", "kNearestNeighborsClassifier"):
            raise ConfigurationError(f"{path} computes in float32 on every device: leave precision 'float16' out")
        if function is not None and spec.WhichOneof("Type") != "mlProgram":
            raise ConfigurationError(f"only ML programs have functions, and {path} is not one: leave function out")
        if native:
            return NativeModel(spec, path)
        return _load(spec, model_file(path).parent, precision, function, str(path))


def _load(spec: Any, model_path: Path, precision: str, function: str | None, source: str) -> RuntimeModel:
    kind = spec.WhichOneof("Type")
    model: RuntimeModel
    if kind == "mlProgram":
        model = MLProgram(spec, model_path, precision=precision, function=function)
    elif kind == "neuralNetworkClassifier":
        model = NeuralNetworkClassifier(spec)
    elif kind == "kNearestNeighborsClassifier":
        model = NearestNeighboursClassifier(spec)
    elif kind in ("pipeline", "pipelineClassifier"):
        pipeline = spec.pipeline if kind == "pipeline" else spec.pipelineClassifier.pipeline
        members = [
            _load(member, model_path, precision, None, f"member {position} of {source}")
            for position, member in enumerate(pipeline.models)
        ]
        model = Pipeline(spec.description, members)
    else:
        raise UnsupportedOperationError(
            f"the runtime does not execute models of type {kind}, only mlProgram, neuralNetworkClassifier, "
            "kNearestNeighborsClassifier and pipelines of these"
        )
    model.source = source
    return model


def executable(spec: Any, package: Path | None = None, *, precision: str = "declared") -> RuntimeModel:
    """Return a model that is in memory, ready for execution.

    Args:
        spec: its protobuf message.
        package: where its weight files are; None for a model without any, such as an updatable head.
        precision: see `load_model`.
    """
    if package is None:
        return _load(spec, Path(), precision, None, RuntimeModel.source)
    with model_errors(package):
        return _load(spec, model_file(package).parent, precision, None, str(package))


def model_file(path: Path) -> Path:
    """Return the file of the model's protobuf message: `path`, or the model in the manifest of the package `path`.

    Raises:
        RuntimeModelError: `path` is a folder without a manifest, or the manifest names no model.
    """
    if not path.is_dir():
        return path
    manifest = path / MANIFEST
    if not manifest.is_file():
        raise RuntimeModelError(
            f"{path} has no {MANIFEST}: give a complete .mlpackage, not its parent folder or a compiled .mlmodelc"
        )
    with model_errors(manifest):
        content = json.loads(manifest.read_bytes())
        return path / "Data" / str(content["itemInfoEntries"][content["rootModelIdentifier"]]["path"])


def read_spec(path: Path) -> Any:
    """Read the protobuf message of a saved model. Raises RuntimeModelError if it is missing or damaged."""
    message = model_proto().Model
    from google.protobuf.message import DecodeError

    file = model_file(path)
    try:
        spec = message.FromString(file.read_bytes())
    except OSError as error:
        raise RuntimeModelError(f"{file} cannot be read ({error.strerror}): check the path or export again") from error
    except DecodeError as error:
        raise RuntimeModelError(f"{file} is truncated or damaged ({error}): restore it or export again") from error
    if not spec.specificationVersion:
        raise RuntimeModelError(f"{file} is empty or not a Core ML model: restore it or export again")
    return spec
