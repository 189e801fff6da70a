"""Deterministic writing of Core ML files: the same model always gives the same bytes."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from typing import Any

from goalkit.configuration import write_json
from goalkit.export.runtime.program import PACKAGE_DATA
from goalkit.storage import file_digest

_AUTHOR = "com.apple.CoreML"


def write_model(path: Path, spec: Any) -> None:
    """Write a `.mlmodel`."""
    path.write_bytes(model_bytes(spec))


def model_bytes(spec: Any) -> bytes:
    """Serialise a model as a `.mlmodel`, with map fields in a fixed order."""
    data: bytes = spec.SerializeToString(deterministic=True)
    return data


def write_package(path: Path, spec: Any, weights: Path, *, weights_name: str = "weight.bin") -> None:
    """Write a `.mlpackage`: the model, its weights, and a manifest whose identifiers are derived from their contents.

    Args:
        path: the folder to write; its name ends in `.mlpackage`.
        spec: the model's protobuf message.
        weights: the file of weights that the message refers to, if any.
        weights_name: the name of that file in the message.
    """
    data = path / PACKAGE_DATA
    (data / "weights").mkdir(parents=True)
    write_model(data / "model.mlmodel", spec)
    written = data / "weights" / weights_name
    if weights.exists():
        shutil.copyfile(weights, written)
    else:  # all constants are small enough to be stored in the model itself
        written.touch()
    model, folder = _identifier(data / "model.mlmodel"), _identifier(written)
    items = {
        model: {"description": "CoreML Model Specification", "name": "model.mlmodel"},
        folder: {"description": "CoreML Model Weights", "name": "weights"},
    }
    manifest = {
        "fileFormatVersion": "1.0.0",
        "itemInfoEntries": {
            key: {"author": _AUTHOR, **item, "path": f"{_AUTHOR}/{item['name']}"} for key, item in items.items()
        },
        "rootModelIdentifier": model,
    }
    write_json(path / "Manifest.json", manifest)


def _identifier(file: Path) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{file.name}:{file_digest(file)}")).upper()
