"""Verification: executes the saved files of a bundle and compares their outputs with those of the models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import attrs
import numpy as np
import numpy.typing as npt

from goalkit.errors import BundleError
from goalkit.export.comparison import Array, OutputComparison, Truth, accuracies, compare, head_error
from goalkit.export.gates import Gates, failed_gates
from goalkit.export.layout import PACKAGE
from goalkit.export.manifest import Manifest
from goalkit.export.report import VerificationReport
from goalkit.export.runtime import RuntimeModel
from goalkit.export.runtime.network import NeuralNetworkClassifier
from goalkit.model import GoalModel
from goalkit.storage import files_in
from goalkit.tasks import Task, task_named

LabelIds = Mapping[str, npt.NDArray[np.int64]]
"""True labels of N texts per task as indices, int64 [N]."""


class Executed(Protocol):
    """The interface of `Bundle` that a verification needs."""

    @property
    def path(self) -> Path:
        """See `Bundle`."""

    @property
    def manifest(self) -> Manifest:
        """See `Bundle`."""

    @property
    def source(self) -> GoalModel | None:
        """See `Bundle`."""

    @property
    def tasks(self) -> tuple[Task, ...]:
        """See `Bundle.tasks`."""

    @property
    def heads(self) -> Mapping[str, RuntimeModel]:
        """See `Bundle.heads`."""

    @property
    def golden(self) -> Truth:
        """See `Bundle.golden`."""

    def run(self, texts: Sequence[str]) -> dict[str, Array]:
        """See `Bundle.run`."""


def verify(
    bundle: Executed, texts: Sequence[str], labels: Mapping[str, Sequence[str]], reference: GoalModel | None, gates: Gates
) -> VerificationReport:
    """See `Bundle.verify`."""
    label_ids = _label_ids(bundle.tasks, texts, labels)
    if reference is not None:
        _check_reference(bundle, reference)
    outputs = bundle.run(texts)
    found = {task.name: outputs[f"{task.name}_probabilities"] for task in bundle.tasks}
    accuracy = {name: {"bundle": share} for name, share in accuracies(found, label_ids).items()}
    fidelity: tuple[OutputComparison, ...] = ()
    if reference is not None:
        expected = reference.predict_probabilities(texts, length=bundle.manifest.sequence_length)
        fidelity = _fidelity(texts, found, expected)
        shared = {name: ids for name, ids in label_ids.items() if name in expected}
        for name, share in accuracies(expected, shared).items():
            accuracy[name]["reference"] = share
    truth = bundle.golden if bundle.source is None else _source_truth(bundle.source, texts, bundle.manifest.sequence_length)
    report = VerificationReport(
        identity=bundle.manifest.identity,
        texts=len(texts),
        compared_texts=len(truth.texts),
        package_bytes=_bytes(bundle.path / PACKAGE),
        bundle_bytes=_bytes(bundle.path),
        precision=bundle.manifest.precision,
        calibration=bundle.manifest.origin.calibration,
        golden=bundle.manifest.origin.golden,
        parity_source="golden.json" if bundle.source is None else "exported model",
        parity=truth.compare(outputs if bundle.source is not None else bundle.run(truth.texts)),
        fidelity=fidelity,
        heads=_head_errors(bundle, truth),
        accuracy=accuracy,
    )
    return attrs.evolve(report, failures=failed_gates(report, gates))


def _source_truth(source: GoalModel, texts: Sequence[str], length: int) -> Truth:
    """Compute the exported model's outputs for texts."""
    embeddings = source.embed(texts, length=length)
    return Truth(tuple(texts), source.head_probabilities(embeddings), embeddings)


def _fidelity(texts: Sequence[str], found: Mapping[str, Array], expected: Mapping[str, Array]) -> tuple[OutputComparison, ...]:
    """Compare the probabilities, [N, labels], of each task that both have."""
    return tuple(
        compare(f"{name}_probabilities", texts, found[name], expected[name], labels=True) for name in found if name in expected
    )


def _head_errors(bundle: Executed, truth: Truth) -> dict[str, float]:
    """Largest probability error of each saved head on the exported model's own embeddings."""
    count = len(truth.embeddings)
    return {
        task: head_error(head, truth.embeddings, truth.probabilities[task][:count])
        for task, head in bundle.heads.items()
        if isinstance(head, NeuralNetworkClassifier)  # nearest neighbours have no counterpart in the exported model
    }


def _check_reference(bundle: Executed, reference: GoalModel) -> None:
    """Raise BundleError if the reference cannot be compared with the bundle."""
    theirs = {task.name: task for task in reference.tasks}
    shared = [task for task in bundle.tasks if task.name in theirs]
    for task in shared:
        if theirs[task.name] != task:
            raise BundleError(
                f"the reference has the labels {', '.join(theirs[task.name].labels)} for {task.name}, the bundle "
                f"{', '.join(task.labels)}: give the model that this one was made from"
            )
    if not shared or reference.encoder.max_length < bundle.manifest.sequence_length:
        raise BundleError(
            "the reference shares no task with the bundle, or is too short for it: give the model it was made from"
        )


def _label_ids(tasks: Sequence[Task], texts: Sequence[str], labels: Mapping[str, Sequence[str]]) -> LabelIds:
    """Return labels as indices.

    Raises:
        BundleError: there are no texts, or the numbers of texts and labels differ.
        ConfigurationError: unknown task or label.
    """
    if not texts:
        raise BundleError("there are no texts to verify with: give some that the model was not trained on")
    ids = {}
    for name, column in labels.items():
        task = task_named(tasks, name)
        if len(column) != len(texts):
            raise BundleError(f"there are {len(texts)} texts and {len(column)} labels for {name}: give one label per text")
        ids[name] = np.array(task.label_ids(column), dtype=np.int64)
    return ids


def _bytes(folder: Path) -> int:
    return sum((folder / name).stat().st_size for name in files_in(folder))
