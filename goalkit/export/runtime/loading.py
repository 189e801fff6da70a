"""Loading a saved `.mlpackage` or `.mlmodel`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from goalkit.errors import RuntimeModelError, UnsupportedOperationError
from goalkit.export.coreml import model_proto
from goalkit.export.runtime.interface import RuntimeModel
from goalkit.export.runtime.network import NeuralNetworkClassifier
from goalkit.export.runtime.program import PACKAGE_DATA, MLProgram


def load_model(path: str | Path) -> RuntimeModel:
    """Load a saved model for execution on this machine.

    Args:
        path: a `.mlpackage` folder that holds an ML program, or a `.mlmodel` file with a neural-network classifier.

    Raises:
        RuntimeModelError: the file is missing, truncated or of another kind.
        UnsupportedOperationError: it holds an operation that the runtime does not know.
    """
    path = Path(path)
    spec = read_spec(path)
    kind = spec.WhichOneof("Type")
    if kind == "mlProgram":
        return MLProgram(spec, path)
    if kind == "neuralNetworkClassifier":
        return NeuralNetworkClassifier(spec, path)
    raise UnsupportedOperationError(
        f"{path} holds a model of type {kind}: the runtime executes mlProgram and neuralNetworkClassifier"
    )


def read_spec(path: Path) -> Any:
    """The protobuf message of a saved model. Raises RuntimeModelError if it is missing or damaged."""
    file = path / PACKAGE_DATA / "model.mlmodel" if path.suffix == ".mlpackage" else path
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
