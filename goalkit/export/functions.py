"""One package with a function a text length, sharing one set of weights: iOS 18's multifunction models."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from goalkit.classifier import Classifier
from goalkit.export.conversion import Shape, convert
from goalkit.export.coreml import coremltools, quiet
from goalkit.export.package import write_package
from goalkit.export.runtime.loading import read_spec
from goalkit.export.runtime.program import PACKAGE_DATA


def function_name(length: int) -> str:
    """What the function for texts of `length` tokens is called."""
    return f"length_{length}"


def convert_lengths(model: Classifier, path: Path, shapes: Sequence[Shape]) -> None:
    """Convert `model` once a shape, and write all as functions of the package `path`; the longest is the default.

    Raises:
        ExportError: as `convert` does.
    """
    utils = coremltools().utils
    descriptor = utils.MultiFunctionDescriptor()
    with tempfile.TemporaryDirectory() as folder:
        for shape in shapes:
            single = Path(folder, f"{function_name(shape.length)}.mlpackage")
            convert(model, single, shape)
            descriptor.add_function(str(single), "main", function_name(shape.length))
        descriptor.default_function_name = function_name(max(shape.length for shape in shapes))
        joined = Path(folder, "joined.mlpackage")
        with quiet():
            utils.save_multifunction(descriptor, str(joined))
        spec = read_spec(joined)
        metadata = read_spec(Path(folder, f"{descriptor.default_function_name}.mlpackage")).description.metadata
        spec.description.metadata.CopyFrom(metadata)
        write_package(path, spec, joined / PACKAGE_DATA / "weights" / "weight.bin")
