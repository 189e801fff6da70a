"""Loading a saved `.mlpackage` or `.mlmodel`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from goalkit.errors import ConfigurationError, RuntimeModelError, UnsupportedOperationError
from goalkit.export.coreml import model_proto
from goalkit.export.runtime.interface import RuntimeModel
from goalkit.export.runtime.native import NativeModel
from goalkit.export.runtime.neighbours import NearestNeighboursClassifier
from goalkit.export.runtime.network import NeuralNetworkClassifier
from goalkit.export.runtime.pipeline import Pipeline
from goalkit.export.runtime.program import PACKAGE_DATA, PRECISIONS, MLProgram


def load_model(
    path: str | Path, *, precision: str = "declared", function: str | None = None, native: bool = False
) -> RuntimeModel:
    """Load a saved model for execution on this machine.

    Args:
        path: a `.mlpackage` folder or a `.mlmodel` file with an ML program, a classifier that is a neural network or of
            nearest neighbours, or a pipeline of these.
        precision: "declared" rounds the results that the file declares in half precision, as a device does; "float16" rounds
            all, a stress test; "float32" rounds none.
        function: which function of a package that has several; by default the one it names itself.
        native: execute with Core ML itself, which needs a Mac; `precision` and `function` do not apply.

    Raises:
        RuntimeModelError: the file is missing, truncated or of another kind.
        UnsupportedOperationError: it holds an operation that the runtime does not know.
    """
    if precision not in PRECISIONS:
        raise ConfigurationError(f"there is no precision {precision!r}; choose one of {', '.join(PRECISIONS)}")
    path = Path(path)
    spec = read_spec(path)
    if native:
        return NativeModel(spec, path)
    return _load(spec, path / PACKAGE_DATA if path.is_dir() else path.parent, precision, function)


def _load(spec: Any, model_path: Path, precision: str, function: str | None) -> RuntimeModel:
    kind = spec.WhichOneof("Type")
    if kind == "mlProgram":
        return MLProgram(spec, model_path, precision=precision, function=function)
    if kind == "neuralNetworkClassifier":
        return NeuralNetworkClassifier(spec)
    if kind == "kNearestNeighborsClassifier":
        return NearestNeighboursClassifier(spec)
    if kind in ("pipeline", "pipelineClassifier"):
        pipeline = spec.pipeline if kind == "pipeline" else spec.pipelineClassifier.pipeline
        return Pipeline(spec.description, [_load(member, model_path, precision, None) for member in pipeline.models])
    raise UnsupportedOperationError(
        f"the runtime does not execute models of type {kind}, only mlProgram, neuralNetworkClassifier, "
        "kNearestNeighborsClassifier and pipelines of these"
    )


def executable(spec: Any) -> RuntimeModel:
    """A model without weight files of its own, such as an updatable head, ready for execution."""
    return _load(spec, Path(), "declared", None)


def read_spec(path: Path) -> Any:
    """The protobuf message of a saved model. Raises RuntimeModelError if it is missing or damaged."""
    file = path / PACKAGE_DATA / "model.mlmodel" if path.is_dir() else path
    from google.protobuf.message import DecodeError

    try:
        spec = model_proto().Model.FromString(file.read_bytes())
    except OSError as fault:
        raise RuntimeModelError(f"{file} cannot be read ({fault.strerror}): check the path or export again") from fault
    except DecodeError as fault:
        raise RuntimeModelError(f"{file} is truncated or damaged ({fault}): restore it or export again") from fault
    if not spec.specificationVersion:
        raise RuntimeModelError(f"{file} is empty or not a Core ML model: restore it or export again")
    return spec
