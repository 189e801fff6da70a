"""Bundle: the folder that an app ships; can be opened, executed and verified."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from goalkit.configuration import read_json
from goalkit.errors import BundleError, ConfigurationError
from goalkit.export.card import write_card
from goalkit.export.checks import program_inputs
from goalkit.export.comparison import Array, Truth
from goalkit.export.gates import Gates
from goalkit.export.golden import read_golden
from goalkit.export.hints import Hints
from goalkit.export.layout import GOLDEN, HINTS, PACKAGE, REPLAY, TOKENIZER_GOLDEN, VOCABULARY
from goalkit.export.lengths import function_name
from goalkit.export.manifest import Manifest
from goalkit.export.replay import Replay
from goalkit.export.report import VerificationReport
from goalkit.export.runtime import RuntimeModel, load_model
from goalkit.export.verification import verify
from goalkit.model import GoalModel, Prediction, predictions
from goalkit.storage import BUNDLE, readable_folder, replacing_folder
from goalkit.tasks import Task
from goalkit.tokenization import WordPieceTokenizer


@attrs.frozen(slots=False, eq=False)
class Bundle:
    """An exported bundle on disk.

    Args:
        path: its folder.
        manifest: the contents of its `manifest.json`.
        source: the torch model it was exported from, if available.
    """

    path: Path
    manifest: Manifest = attrs.field(repr=False)
    source: GoalModel | None = attrs.field(default=None, repr=False)

    @classmethod
    def open(cls, path: str | Path, *, source: GoalModel | None = None) -> Bundle:
        """Open a bundle, and check every file against its manifest.

        Args:
            path: the folder that `CoreMLExporter.export` wrote.
            source: the model it was exported from, to measure parity against.

        Raises:
            BundleError: the folder is not a bundle, a file is missing or altered, its tokenizer does not reproduce its golden
                ids, or `source` is not the model that was exported.
        """
        path = readable_folder(Path(path))
        if not path.is_dir():
            raise BundleError(f"there is no bundle at {path}: make one with `goalkit demo` or `goalkit export`")
        bundle = cls(path, Manifest.read(path), source)
        if source is not None and source.digest() != bundle.manifest.origin.model_sha256:
            raise BundleError(f"{path} was not exported from the given model: give the model it was exported from, or none")
        bundle._check_tokenizer()
        return bundle

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks that the bundle predicts."""
        return self.manifest.tasks

    @cached_property
    def programs(self) -> dict[int, RuntimeModel]:
        """The function of the saved ML program for each text length, loaded for this machine, shortest first."""
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
        """The tokenizer, built from the bundle's own `vocab.txt` and manifest."""
        return WordPieceTokenizer.from_file(self.path / VOCABULARY, self.manifest.tokenizer)

    @cached_property
    def hints(self) -> Hints:
        """The sentences that the app shows under goals."""
        return Hints.from_file(self.path / HINTS)

    @cached_property
    def golden(self) -> Truth:
        """The golden texts with the outputs of the exported model."""
        return read_golden(self.path / GOLDEN)

    @cached_property
    def replay(self) -> Replay | None:
        """The examples to mix in when a head is trained, or None."""
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
        """Predict N texts with the saved program; the predictions are in the order of the texts."""
        outputs = self.run(texts)
        return predictions(self.tasks, texts, {task.name: outputs[f"{task.name}_probabilities"] for task in self.tasks})

    def verify(
        self,
        texts: Sequence[str],
        labels: Mapping[str, Sequence[str]] | None = None,
        reference: GoalModel | None = None,
        *,
        gates: Gates | None = None,
    ) -> VerificationReport:
        """Execute the saved files on N texts, and compare the outputs with those of the models.

        Args:
            texts: texts that the model was not trained on.
            labels: the N true labels per task, to measure accuracy.
            reference: the uncompressed model, to measure fidelity.
            gates: thresholds that must be reached.

        Raises:
            BundleError: there are no texts, the numbers of texts and labels differ, or the reference has other labels.
            ConfigurationError: the bundle lacks a task or a label of the texts.
            RuntimeModelError: a saved file cannot be executed.
        """
        return verify(self, texts, labels or {}, reference, gates or Gates())

    def record(self, report: VerificationReport) -> Bundle:
        """Write the measurements into the manifest and the model card. Returns the updated bundle.

        Only figures are written: the worst texts may be private. The bundle's identity stays the same.

        Raises:
            BundleError: the report is about a bundle with another identity.
            StorageError: the folder cannot be written.
        """
        if report.identity != self.manifest.identity:
            raise BundleError(f"the report is about another bundle than {self.path}: verify this one, and record that report")
        return self._with_manifest(attrs.evolve(self.manifest, measured=report.without_texts()))

    def name_slot(self, task: str, slot: str, name: str) -> Bundle:
        """Name a spare slot of a head in the manifest. Returns the updated bundle.

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
                    f"the installed tokenizers library splits {entry['text']!r} differently from the one that made "
                    f"{self.path}: install the version named in the manifest, or export again"
                )
