"""Bundle: the folder an app ships, opened, executed and verified."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from goalkit.configuration import read_json
from goalkit.errors import BundleError, ConfigurationError
from goalkit.export.card import write_card
from goalkit.export.checks import program_inputs
from goalkit.export.hints import Hints
from goalkit.export.lengths import function_name
from goalkit.export.manifest import Manifest
from goalkit.export.replay import REPLAY, Replay
from goalkit.export.runtime import NeuralNetworkClassifier, RuntimeModel, load_model
from goalkit.export.verification import (
    Array,
    Gates,
    OutputComparison,
    Truth,
    VerificationReport,
    accuracies,
    compare,
    failed_gates,
    head_error,
)
from goalkit.model import GoalModel, Prediction, predictions
from goalkit.storage import BUNDLE, files_in, readable_folder, replacing_folder
from goalkit.tasks import Task, task_named
from goalkit.tokenization import WordPieceTokenizer

PACKAGE = "GoalAnalyzer.mlpackage"
VOCABULARY = "vocab.txt"
TOKENIZER_GOLDEN = "tokenizer_golden.json"
GOLDEN = "golden.json"
HINTS = "hints.json"


@attrs.frozen(slots=False, eq=False)
class Bundle:
    """An exported bundle on disk.

    Args:
        path: its folder.
        manifest: what its `manifest.json` says.
        source: the torch model it was exported from, if at hand.
    """

    path: Path
    manifest: Manifest = attrs.field(repr=False)
    source: GoalModel | None = attrs.field(default=None, repr=False)

    @classmethod
    def open(cls, path: str | Path, *, source: GoalModel | None = None) -> Bundle:
        """Open a bundle, and hold every file to its manifest.

        Args:
            path: the folder that `CoreMLExporter.export` wrote.
            source: the model it was exported from, to measure parity against.

        Raises:
            BundleError: the folder is no bundle, a file is missing or altered, its tokenizer no longer gives its own golden
                ids, or `source` is another model than the one that was exported.
        """
        path = readable_folder(Path(path))
        if not path.is_dir():
            raise BundleError(f"there is no bundle at {path}: make one with `goalkit demo` or `goalkit export`")
        bundle = cls(path, Manifest.read(path), source)
        if source is not None and source.digest() != bundle.manifest.origin.model_sha256:
            raise BundleError(f"{path} was not exported from the model given: give the one it came from, or none")
        bundle._check_tokenizer()
        return bundle

    @property
    def tasks(self) -> tuple[Task, ...]:
        """What the bundle predicts."""
        return self.manifest.tasks

    @cached_property
    def programs(self) -> dict[int, RuntimeModel]:
        """The saved ML program, loaded for this machine: its function for each text length, the shortest first."""
        package, longest = self.path / PACKAGE, self.manifest.sequence_length
        if not self.manifest.shorter_lengths:
            return {longest: load_model(package)}
        lengths = (*self.manifest.shorter_lengths, longest)
        return {length: load_model(package, function=function_name(length)) for length in lengths}

    @cached_property
    def heads(self) -> dict[str, RuntimeModel]:
        """The saved updatable heads, by task."""
        return {task: load_model(self.path / name) for task, name in self.manifest.heads.items()}

    @cached_property
    def tokenizer(self) -> WordPieceTokenizer:
        """The tokenizer, made from the bundle's own `vocab.txt` and manifest."""
        return WordPieceTokenizer.from_file(self.path / VOCABULARY, self.manifest.tokenizer)

    @cached_property
    def hints(self) -> Hints:
        """The sentences shown under goals."""
        return Hints.from_file(self.path / HINTS)

    @cached_property
    def replay(self) -> Replay | None:
        """The examples to mix in when a head is trained, if the bundle brings any."""
        return Replay.from_file(self.path / REPLAY) if REPLAY in self.manifest.files else None

    def run(self, texts: Sequence[str]) -> dict[str, Array]:
        """Tokenise N texts and execute the saved program.

        Returns:
            `embedding`, float32 [N, H], and for each task `<task>_probabilities`, float32 [N, labels].
        """
        batch = self.tokenizer.encode(texts, self.manifest.sequence_length)
        used = batch.attention_mask.sum(1)
        results: dict[str, Array] = {}
        shorter = 0
        for length, program in self.programs.items():
            rows = np.flatnonzero((used > shorter) & (used <= length))
            shorter = length
            if not len(rows) and len(texts):
                continue
            found = program.predict_many(program_inputs(program, batch.take(rows, length)))
            for name, values in found.items():
                results.setdefault(name, np.zeros((len(texts), *values.shape[1:]), values.dtype))[rows] = values
        return results

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """What the saved program says about N texts, in their order."""
        return predictions(self.tasks, texts, self._probabilities(self.run(texts)))

    def _probabilities(self, outputs: Mapping[str, Array]) -> dict[str, Array]:
        return {task.name: outputs[f"{task.name}_probabilities"] for task in self.tasks}

    def verify(
        self,
        texts: Sequence[str],
        labels: Mapping[str, Sequence[str]] | None = None,
        reference: GoalModel | None = None,
        *,
        gates: Gates | None = None,
    ) -> VerificationReport:
        """Execute the saved files on N texts and compare.

        Args:
            texts: texts that the model was not trained on.
            labels: for each task the N right labels, to measure accuracy.
            reference: the uncompressed model, to measure fidelity.
            gates: what must be reached.

        Raises:
            BundleError: there are no texts, their number is not that of the labels, or the reference has other labels.
            ConfigurationError: the bundle does not have a task or a label that the texts have.
            RuntimeModelError: a saved file cannot be executed.
        """
        gates = gates or Gates()
        label_ids = self._label_ids(texts, labels or {})
        outputs = self.run(texts)
        found = self._probabilities(outputs)
        accuracy = {name: {"bundle": share} for name, share in accuracies(found, label_ids).items()}
        fidelity: list[OutputComparison] = []
        if reference is not None:
            shared = self._check_reference(reference)
            expected = reference.predict_probabilities(texts, length=self.manifest.sequence_length)
            fidelity = [compare(f"{name}_probabilities", texts, found[name], expected[name], labels=True) for name in shared]
            for name in accuracy.keys() & set(shared):
                accuracy[name]["reference"] = accuracies(expected, {name: label_ids[name]})[name]
        truth = self._golden() if self.source is None else self._source_truth(texts)
        shown = outputs if self.source is not None else self.run(truth.texts)
        report = VerificationReport(
            texts=len(texts),
            compared_texts=len(truth.texts),
            package_bytes=_bytes(self.path / PACKAGE),
            bundle_bytes=_bytes(self.path),
            precision=self.manifest.precision,
            parity_source="golden.json" if self.source is None else "exported model",
            parity=truth.compare(shown),
            fidelity=tuple(fidelity),
            heads=self._head_errors(truth),
            accuracy=accuracy,
        )
        return attrs.evolve(report, failures=failed_gates(report, gates))

    def _source_truth(self, texts: Sequence[str]) -> Truth:
        """What the exported model says about texts."""
        assert self.source is not None
        embeddings = self.source.embed(texts, length=self.manifest.sequence_length)
        return Truth(tuple(texts), self.source.head_probabilities(embeddings), embeddings)

    def _golden(self) -> Truth:
        """What the exported model said about the golden texts."""
        golden = read_json(self.path / GOLDEN, error=BundleError)
        probabilities = {name: np.array(rows, np.float32) for name, rows in golden["probabilities"].items()}
        return Truth(tuple(golden["texts"]), probabilities, np.array(golden["embeddings"], np.float32))

    def _head_errors(self, truth: Truth) -> dict[str, float]:
        """Largest probability error of each saved head on the exported model's own embeddings."""
        count = len(truth.embeddings)
        return {
            task: head_error(head, truth.embeddings, truth.probabilities[task][:count])
            for task, head in self.heads.items()
            if isinstance(head, NeuralNetworkClassifier)  # neighbours have no counterpart in the exported model
        }

    def _check_reference(self, reference: GoalModel) -> list[str]:
        """The tasks that the reference shares with the bundle. Raises BundleError if it cannot be compared with."""
        theirs = {task.name: task for task in reference.tasks}
        shared = [task for task in self.tasks if task.name in theirs]
        for task in shared:
            if theirs[task.name] != task:
                raise BundleError(
                    f"the reference has the labels {', '.join(theirs[task.name].labels)} for {task.name}, the bundle "
                    f"{', '.join(task.labels)}: give the model that this one was made from"
                )
        if not shared or reference.encoder.max_length < self.manifest.sequence_length:
            raise BundleError(
                "the reference shares no task with the bundle, or is too short for it: give the model it was made from"
            )
        return [task.name for task in shared]

    def _label_ids(self, texts: Sequence[str], labels: Mapping[str, Sequence[str]]) -> dict[str, npt.NDArray[np.int64]]:
        if not texts:
            raise BundleError("there are no texts to verify with: give some that the model was not trained on")
        ids = {}
        for name, column in labels.items():
            task = task_named(self.tasks, name)
            if len(column) != len(texts):
                raise BundleError(f"there are {len(texts)} texts and {len(column)} labels for {name}: give one label a text")
            ids[name] = np.array(task.label_ids(column), dtype=np.int64)
        return ids

    def record(self, report: VerificationReport) -> Bundle:
        """Write what was measured into the manifest and the model card. Returns the bundle as it then is.

        Figures only: the texts that were worst stay out, for they may be somebody's.

        Raises:
            StorageError: the folder cannot be written.
        """
        return self._with_manifest(attrs.evolve(self.manifest, measured=report.without_texts()))

    def name_slot(self, task: str, slot: str, name: str) -> Bundle:
        """Write into the manifest what a spare slot of a head stands for from now on. Returns the bundle as it then is.

        Raises:
            ConfigurationError: the head of the task has no such slot.
            StorageError: the folder cannot be written.
        """
        slots = self.manifest.spare_slots.get(task, {})
        if slot not in slots:
            known = ", ".join(slots) or "none"
            raise ConfigurationError(f"the head for {task} has no spare slot {slot!r}; it has {known}")
        named = {**self.manifest.spare_slots, task: {**slots, slot: name}}
        return self._with_manifest(attrs.evolve(self.manifest, spare_slots=named))

    def _with_manifest(self, manifest: Manifest) -> Bundle:
        with replacing_folder(self.path, BUNDLE) as temporary:
            shutil.copytree(self.path, temporary, dirs_exist_ok=True)
            write_card(temporary, manifest)
            manifest = manifest.write(temporary)
        return Bundle(self.path, manifest, self.source)

    def _check_tokenizer(self) -> None:
        golden: list[dict[str, Any]] = read_json(self.path / TOKENIZER_GOLDEN, error=BundleError)
        batch = self.tokenizer.encode([entry["text"] for entry in golden], self.manifest.sequence_length)
        for entry, ids, mask in zip(golden, batch.input_ids, batch.attention_mask, strict=True):
            if ids[: int(mask.sum())].tolist() != entry["ids"]:
                raise BundleError(
                    f"the installed tokenizers library splits {entry['text']!r} otherwise than the one that made {self.path}: "
                    "install the version named in the manifest, or export again"
                )


def _bytes(folder: Path) -> int:
    return sum((folder / name).stat().st_size for name in files_in(folder))
