"""The single-file form: encoder and updatable head in one pipeline, from token ids to a label, trainable on the phone.

Apple describes this in its guide (Comparing ML Programs and Neural Networks): an ML program followed by a neural network of
just the updatable part. coremltools' `make_pipeline` drops what makes it updatable, so the message is built here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from goalkit import storage
from goalkit.errors import ConfigurationError
from goalkit.export.bundle import Bundle
from goalkit.export.coreml import model_proto
from goalkit.export.layout import PACKAGE
from goalkit.export.package import write_package
from goalkit.export.runtime.loading import read_spec
from goalkit.export.runtime.program import PACKAGE_DATA
from goalkit.export.updatable.validation import raise_violations

ENCODER, HEAD = "encoder", "head"
WEIGHTS = "weight.bin"


def write_updatable_pipeline(bundle: Bundle, task: str, path: str | Path) -> Path:
    """Write a bundle's program and the updatable head of one task as one package.

    It takes the program's inputs, outputs `label` and `probabilities`, and is trained with the program's inputs and `label`.
    Only the head changes. The encoder runs again for each example and epoch; separate files with stored embeddings avoid that.

    Args:
        bundle: a bundle with one length and a head for the task.
        task: the task whose head to use.
        path: the package to write; it ends in `.mlpackage`. An existing one is replaced atomically.

    Returns:
        The path.

    Raises:
        ConfigurationError: the bundle has no such head, or several lengths, or the path does not end in `.mlpackage`.
        UpdatableModelError: the pipeline would break a rule of Core ML.
        StorageError: it cannot be written.
    """
    path = Path(path)
    if task not in bundle.manifest.heads:
        known = ", ".join(bundle.manifest.heads) or "no task"
        raise ConfigurationError(f"the bundle has updatable heads for {known}, not for {task!r}: export it with one")
    if bundle.manifest.shorter_lengths:
        raise ConfigurationError("a package of several lengths cannot be in a pipeline: export one length")
    if path.suffix != ".mlpackage":
        raise ConfigurationError(f"{path} must end in .mlpackage")
    package = bundle.path / PACKAGE
    spec = _pipeline(read_spec(package), read_spec(bundle.path / bundle.manifest.heads[task]))
    spec.description.metadata.shortDescription = f"Predicts {task} from token ids, and learns from the user's corrections"
    raise_violations(spec, f"the pipeline for {task}")
    with storage.replacing_folder(path, storage.PACKAGE) as folder:
        write_package(folder, spec, package / PACKAGE_DATA / "weights" / WEIGHTS, weights_name=f"0-{WEIGHTS}")
    return path


def _pipeline(program: Any, head: Any) -> Any:
    spec = model_proto().Model()
    spec.specificationVersion = max(program.specificationVersion, head.specificationVersion)
    spec.isUpdatable = True
    description = spec.description
    description.input.extend(program.description.input)
    description.output.extend(head.description.output)
    description.predictedFeatureName = head.description.predictedFeatureName
    description.predictedProbabilitiesName = head.description.predictedProbabilitiesName
    description.trainingInput.extend(program.description.input)
    description.trainingInput.extend(
        each for each in head.description.trainingInput if each.name == head.description.predictedFeatureName
    )
    pipeline = spec.pipelineClassifier.pipeline
    pipeline.names.extend([ENCODER, HEAD])
    pipeline.models.extend([program, head])
    _rename_weights(pipeline.models[0])
    return spec


def _rename_weights(program: Any) -> None:
    """Prefix weight files with the member's position: the members of a pipeline share a folder."""
    for function in program.mlProgram.functions.values():
        for block in function.block_specializations.values():
            for operation in block.operations:
                for value in operation.attributes.values():
                    if value.HasField("blobFileValue"):
                        value.blobFileValue.fileName = value.blobFileValue.fileName.replace(f"/{WEIGHTS}", f"/0-{WEIGHTS}")
