"""CoreMLExporter: writes the bundle that an app ships."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import overload

import attrs
import numpy as np
from torch import nn

from goalkit import storage
from goalkit.classifier import Classifier
from goalkit.configuration import between, one_of, write_json
from goalkit.errors import ConfigurationError, ExportError
from goalkit.export.bundle import GOLDEN, HINTS, PACKAGE, TOKENIZER_GOLDEN, VOCABULARY, Bundle
from goalkit.export.card import write_card
from goalkit.export.checks import check_ranges
from goalkit.export.conversion import SPEC_VERSIONS, ConversionSettings, convert, large_results
from goalkit.export.golden import golden_texts, model_golden, tokenizer_golden
from goalkit.export.hints import Hints, default_hints
from goalkit.export.lengths import convert_lengths
from goalkit.export.manifest import Manifest, Origin
from goalkit.export.package import write_model
from goalkit.export.replay import REPLAY, Replay
from goalkit.export.runtime.loading import executable
from goalkit.export.runtime.network import NeuralNetworkClassifier
from goalkit.export.updatable.head import UpdatableHead
from goalkit.export.updatable.validation import raise_violations
from goalkit.export.verification import head_error
from goalkit.model import GoalModel
from goalkit.tokenization import TokenBatch
from goalkit.weights import compressed_weights

PRECISIONS = ("float16", "float32", "mixed")

SAME_HEAD = 1e-4
"""Largest probability error, on random embeddings, up to which a head counts as built from the model."""

CALIBRATION_TEXTS = 32
"""Of the shipped goals, on which every half-precision bundle is executed before it is written."""


def _as_tuple(lengths: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted(lengths))


@attrs.frozen(kw_only=True)
class CoreMLExporter:
    """Exports models: a `GoalModel` as a bundle, any other classifier or transformers encoder as a package.

    Args:
        sequence_length: tokens that each text is padded or cut to, at least 3. Daily goals have 10 to 50.
        deployment_target: the oldest system that must run it: "iOS16", "iOS17" or "iOS18".
        precision: "float16", which the Neural Engine needs; "float32"; or "mixed", which keeps those operations in float32
            whose results on calibration texts come near what half precision holds.
        shorter_lengths: further lengths, each a function of its own in the package, which stores the weights once; an app
            saves time on short texts. Needs iOS18.
        derive_mask: take token ids alone and find the padding by its id, instead of taking a mask too.
    """

    sequence_length: int = attrs.field(default=64, validator=between(3, whole=True))
    deployment_target: str = attrs.field(default="iOS16", validator=one_of(*SPEC_VERSIONS))
    precision: str = attrs.field(default="float16", validator=one_of(*PRECISIONS))
    shorter_lengths: tuple[int, ...] = attrs.field(default=(), converter=_as_tuple)
    derive_mask: bool = False

    @shorter_lengths.validator
    def _check_lengths(self, attribute: attrs.Attribute[tuple[int, ...]], value: tuple[int, ...]) -> None:
        if value and self.deployment_target != "iOS18":
            raise ConfigurationError(
                "several lengths in one package need deployment_target='iOS18': export one length, or for iOS18"
            )
        if len(set(value)) != len(value) or not all(3 <= length < self.sequence_length for length in value):
            raise ConfigurationError(
                f"shorter_lengths are {value}: give different ones, from 3 to below sequence_length {self.sequence_length}"
            )

    @overload
    def export(  # type: ignore[overload-overlap]  # a GoalModel is a module too, and the first that fits counts
        self,
        model: GoalModel,
        path: str | Path,
        *,
        heads: Sequence[UpdatableHead] = (),
        hints: Hints | None = None,
        replay: Replay | None = None,
        calibration: TokenBatch | None = None,
    ) -> Bundle: ...

    @overload
    def export(self, model: nn.Module, path: str | Path, *, calibration: TokenBatch | None = None) -> Path: ...

    def export(
        self,
        model: nn.Module,
        path: str | Path,
        *,
        heads: Sequence[UpdatableHead] = (),
        hints: Hints | None = None,
        replay: Replay | None = None,
        calibration: TokenBatch | None = None,
    ) -> Bundle | Path:
        """Convert `model` and write it, replacing `path` whole or not at all.

        Args:
            model: a `GoalModel`, a `Classifier`, or a transformers encoder or sequence classifier; compressed weights are
                carried over as the integers they are.
            path: the folder to write: of the bundle for a `GoalModel`, else of the package, ending in `.mlpackage`.
            heads: updatable heads built from the same `GoalModel`.
            hints: sentences for the app; by default goalkit's own if the model predicts goals' tasks.
            replay: examples for the app to mix in when a head is trained, lest it forget; texts that may be published.
            calibration: texts, tokenised to the sequence length, on which half precision must not overflow and on which
                "mixed" decides. A `GoalModel` brings the shipped goals for that.

        Returns:
            The bundle, which remembers the model to measure parity against; or the path of the package.

        Raises:
            ExportError: the model cannot be converted, is too short for the sequence length, overflows half precision, or the
                package does not do what the model's own forward does.
            ModelError: it is no encoder that goalkit can take over; see `Classifier.from_transformers`.
            ConfigurationError: hints, heads or replay do not fit the model, or "mixed" has no calibration texts.
            UpdatableModelError: a head breaks a rule of Core ML for models that learn on the device.
            StorageError: the folder cannot be written.
        """
        path = Path(path)
        classifier = model if isinstance(model, Classifier) else Classifier.from_transformers(model)
        if self.sequence_length > classifier.encoder.max_length:
            limit = classifier.encoder.max_length
            raise ExportError(
                f"sequence_length is {self.sequence_length}, the encoder has {limit} positions: export a shorter one"
            )
        if isinstance(classifier, GoalModel):
            return self._export_bundle(classifier, path, heads, hints or default_hints(classifier.tasks), replay, calibration)
        if path.suffix != ".mlpackage":
            raise ExportError(f"{path} must end in .mlpackage: only a GoalModel, which has a tokenizer, makes a bundle")
        with storage.replacing_folder(path, storage.PACKAGE) as folder:
            self._convert(classifier, folder, calibration)
        return path

    def _export_bundle(
        self,
        model: GoalModel,
        path: Path,
        heads: Sequence[UpdatableHead],
        hints: Hints,
        replay: Replay | None,
        calibration: TokenBatch | None,
    ) -> Bundle:
        hints.check(model.tasks)
        _check_heads(model, heads)
        if replay is not None:
            replay.check(model.tasks)
        texts = golden_texts()
        with storage.replacing_folder(path, storage.BUNDLE) as folder:
            batch = calibration or model.tokenizer.encode(texts[:CALIBRATION_TEXTS], self.sequence_length)
            self._convert(model, folder / PACKAGE, batch)
            for head in heads:
                write_model(folder / head.file_name, head.spec)
            (folder / VOCABULARY).write_bytes(model.tokenizer.file_bytes())
            write_json(folder / TOKENIZER_GOLDEN, tokenizer_golden(model.tokenizer, self.sequence_length))
            write_json(folder / GOLDEN, model_golden(model, texts, self.sequence_length))
            write_json(folder / HINTS, hints.to_dict())
            if replay is not None:
                write_json(folder / REPLAY, replay.to_dict())
            manifest = self._manifest(model, heads)
            write_card(folder, manifest)
            manifest = manifest.write(folder)
        return Bundle(path, manifest, model)

    def _convert(self, model: Classifier, path: Path, calibration: TokenBatch | None) -> None:
        settings = ConversionSettings(
            length=self.sequence_length,
            target=self.deployment_target,
            half=self.precision != "float32",
            derive_mask=self.derive_mask,
        )
        if self.precision == "mixed":
            if calibration is None:
                raise ConfigurationError("precision 'mixed' decides by calibration texts: give them, tokenised")
            settings = attrs.evolve(settings, float32_operations=large_results(model, settings, calibration))
        if self.shorter_lengths:
            convert_lengths(model, path, settings, self.shorter_lengths)
        else:
            convert(model, path, settings)
        if settings.half and calibration is not None:
            check_ranges(path, calibration)

    def _manifest(self, model: GoalModel, heads: Sequence[UpdatableHead]) -> Manifest:
        forms = Counter(f"{form.bits}-bit {form.kind}" for _, _, form in compressed_weights(model))
        libraries = ("goalkit", "torch", "transformers", "tokenizers", "coremltools", "numpy")
        return Manifest(
            tasks=model.tasks,
            sequence_length=self.sequence_length,
            shorter_lengths=self.shorter_lengths,
            embedding_size=model.encoder.hidden_size,
            tokenizer=model.tokenizer.settings,
            deployment_target=self.deployment_target,
            precision=self.precision,
            heads={head.task: head.file_name for head in heads},
            spare_slots={head.task: dict.fromkeys(head.spare_slots, "") for head in heads if head.spare_slots},
            origin=Origin(
                backbone=model.configuration.backbone,
                model_sha256=model.digest(),
                compression=dict(forms),
                versions={name: version(name) for name in libraries},
            ),
        )


def _check_heads(model: GoalModel, heads: Sequence[UpdatableHead]) -> None:
    """Raises an error unless the heads are of this model, at most one a task, and Core ML can train them."""
    names = [head.task for head in heads]
    if len(set(names)) != len(names) or not set(names) <= {task.name for task in model.tasks}:
        raise ConfigurationError(f"the heads are for {names}: give at most one for each of the model's tasks")
    probes = np.random.default_rng(0).normal(size=(8, model.encoder.hidden_size)).astype(np.float32)
    expected = model.head_probabilities(probes)
    for head in heads:
        raise_violations(head.spec, f"the head for {head.task}")
        executed = executable(head.spec)
        if executed.inputs["embedding"].shape != probes.shape[1:] or (
            isinstance(executed, NeuralNetworkClassifier) and head_error(executed, probes, expected[head.task]) > SAME_HEAD
        ):
            raise ConfigurationError(f"the head for {head.task} was built from another model: build it from the one to export")
