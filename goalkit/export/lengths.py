"""Packages with one function per text length and one set of weights (multifunction models, from iOS 18)."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import attrs

from goalkit.classifier import Classifier
from goalkit.export.conversion import ConversionSettings, convert
from goalkit.export.coreml import coremltools, quiet
from goalkit.export.package import write_package
from goalkit.export.runtime.loading import read_spec
from goalkit.export.runtime.program import PACKAGE_DATA


def function_name(length: int) -> str:
    """Name of the function for texts of `length` tokens."""
    return f"length_{length}"


def convert_lengths(model: Classifier, path: Path, settings: ConversionSettings, shorter: Sequence[int]) -> None:
    """Convert `model` with `settings`, and again for each shorter length; write all as functions of the package `path`.

    The default function is the one for the length in `settings`.

    Raises:
        ExportError: see `convert`.
    """
    utils = coremltools().utils
    descriptor = utils.MultiFunctionDescriptor()
    with tempfile.TemporaryDirectory() as folder:
        for length in (*shorter, settings.length):
            single = Path(folder, f"{function_name(length)}.mlpackage")
            convert(model, single, attrs.evolve(settings, length=length))
            descriptor.add_function(str(single), "main", function_name(length))
        descriptor.default_function_name = function_name(settings.length)
        joined = Path(folder, "joined.mlpackage")
        with quiet():
            utils.save_multifunction(descriptor, str(joined))
        spec = read_spec(joined)
        metadata = read_spec(Path(folder, f"{descriptor.default_function_name}.mlpackage")).description.metadata
        spec.description.metadata.CopyFrom(metadata)
        write_package(path, spec, joined / PACKAGE_DATA / "weights" / "weight.bin")
