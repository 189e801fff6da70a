"""CoreMLExporter: writes the bundle that an app ships."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

import attrs
import numpy as np
from torch import nn

from goalkit import storage
from goalkit.classifier import Classifier
from goalkit.configuration import between, one_of, write_json
from goalkit.errors import ConfigurationError, ExportError
from goalkit.export.bundle import Bundle
from goalkit.export.calibration import Calibration
from goalkit.export.card import write_card
from goalkit.export.checks import check_ranges
from goalkit.export.comparison import head_error
from goalkit.export.conversion import SPEC_VERSIONS, ConversionSettings, convert, large_results
from goalkit.export.golden import model_golden, tokenizer_golden
from goalkit.export.hints import Hints, default_hints
from goalkit.export.layout import GOLDEN, HINTS, PACKAGE, REPLAY, TOKENIZER_GOLDEN, VOCABULARY
from goalkit.export.lengths import convert_lengths, function_name
from goalkit.export.manifest import Manifest, Origin
from goalkit.export.package import write_model
from goalkit.export.replay import Replay
from goalkit.export.runtime.loading import executable
from goalkit.export.runtime.network import NeuralNetworkClassifier
from goalkit.export.texts import ExampleTexts
from goalkit.export.updatable.head import UpdatableHead
from goalkit.export.updatable.validation import raise_violations
from goalkit.extras import extra
from goalkit.model import GoalModel
from goalkit.tokenization import TokenBatch
from goalkit.weights import quantised_inputs, stored_weights

PRECISIONS = ("float16", "float32", "mixed")

SAME_HEAD = 1e-4
"""Largest probability error, on random embeddings, up to which a head is accepted as built from the model."""

PACKAGE_SUFFIX = ".mlpackage"
"""Suffix of the folder of a package; the folder of a bundle must not have it."""


def _as_tuple(lengths: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted(lengths))


@attrs.frozen(kw_only=True)
class CoreMLExporter:
    """Exports models: `export` writes the bundle of a `GoalModel`, `export_package` the package of any classifier or encoder.

    Args:
        sequence_length: tokens that each text is padded or cut to, at least 3. Daily goals have 10 to 50.
        deployment_target: the oldest system that must run it: "iOS16", "iOS17" or "iOS18".
        precision: "float16", which the Neural Engine needs; "float32"; or "mixed", which keeps operations in float32 if their
            results on calibration texts come close to the half-precision maximum.
        shorter_lengths: further lengths, each a separate function of the package, which share one set of weights; an app
            saves time on short texts. Needs iOS18.
        derive_mask: take token ids only and derive the mask from the padding id.
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
                f"shorter_lengths are {value}: give distinct lengths of at least 3, below sequence_length "
                f"{self.sequence_length}"
            )

    def export(
        self,
        model: GoalModel,
        path: str | Path,
        *,
        heads: Sequence[UpdatableHead] = (),
        hints: Hints | None = None,
        replay: Replay | None = None,
        calibration: TokenBatch | None = None,
        golden: Sequence[str] | None = None,
    ) -> Bundle:
        """Convert a `GoalModel` and write its bundle, replacing `path` atomically.

        Half precision is checked for overflow, and the operations of "mixed" are chosen, on `calibration`, by default the first
        32 golden texts. The golden texts are `golden`, by default 500 of the shipped goals if the model predicts the tasks of
        goals, else up to 500 meaningless texts made up from the model's vocabulary. Meaningless texts show whether another
        tokenizer and runtime give the same numbers, but not whether half precision suffices for real texts: for a model of
        other tasks, give your own texts. The manifest records on which texts half precision was checked.

        Args:
            model: the model to export; the integers of compressed weights are exported unchanged.
            path: the folder of the bundle.
            heads: updatable heads built from the same model.
            hints: sentences for the app; by default goalkit's own if the model predicts the tasks of goals.
            replay: examples for the app to mix in when a head is trained, against forgetting. They must be texts that may be
                published.
            calibration: texts, tokenised to the sequence length; used for half precision only.
            golden: texts typical of the model's use. The bundle contains them with the model's outputs, for implementations in
                other languages to reproduce, so they must be texts that may be published.

        Returns:
            The bundle, with `model` as its source, for measuring parity.

        Raises:
            ExportError: `model` is not a `GoalModel`, cannot be converted, is too short for the sequence length, or overflows
                half precision; the package does not compute what the model computes; or `path` is named like a package.
            ConfigurationError: hints, heads, replay, calibration or golden texts do not fit the model or the settings.
            UpdatableModelError: a head breaks a rule of Core ML for models that learn on the device.
            StorageError: the folder cannot be written.
        """
        path = Path(path)
        if not isinstance(model, GoalModel):
            raise ExportError(
                f"export writes the bundle of a GoalModel, but {type(model).__name__} is not one and has no tokenizer: "
                "write its package with export_package"
            )
        if path.suffix == PACKAGE_SUFFIX:
            raise ExportError(f"{path} is named like a package: give another name, or write only a package with export_package")
        self._check_length(model)
        hints = hints or default_hints(model.tasks)
        hints.check(model.tasks)
        _check_heads(model, heads)
        if replay is not None:
            replay.check(model.tasks, [head.task for head in heads])
        texts = ExampleTexts.of(model, self.sequence_length, golden)
        checked = self._calibration(calibration, lambda: Calibration.from_texts(model, texts, self.sequence_length))
        with storage.replacing_folder(path, storage.BUNDLE) as folder:
            self._convert(model, folder / PACKAGE, checked)
            for head in heads:
                write_model(folder / head.file_name, head.spec)
            (folder / VOCABULARY).write_bytes(model.tokenizer.file_bytes())
            write_json(folder / TOKENIZER_GOLDEN, tokenizer_golden(model.tokenizer, texts.texts, self.sequence_length))
            write_json(folder / GOLDEN, model_golden(model, texts.texts, self.sequence_length))
            write_json(folder / HINTS, hints.to_dict())
            if replay is not None:
                write_json(folder / REPLAY, replay.to_dict())
            manifest = self._manifest(model, heads, str(checked or ""), str(texts))
            write_card(folder, manifest)
            manifest = manifest.write(folder)
        return Bundle(path, manifest, model)

    def export_package(self, model: nn.Module, path: str | Path, *, calibration: TokenBatch | None = None) -> Path:
        """Convert any classifier or transformers encoder and write its package only, replacing `path` atomically.

        Half precision is checked for overflow, and the operations of "mixed" are chosen, on `calibration`; by default, on the
        same texts as in `export` for a `GoalModel`, and on 32 texts of random token ids for others (`Encoder.example_texts`).

        Args:
            model: a `Classifier` such as a `GoalModel`, or an encoder or sequence classifier of transformers; the integers of
                compressed weights are exported unchanged.
            path: the folder of the package, ending in `.mlpackage`.
            calibration: texts typical of the model's use, tokenised to the sequence length; used for half precision only.

        Returns:
            The path.

        Raises:
            ExportError: the model cannot be converted, is too short for the sequence length, or overflows half precision; the
                package does not compute what the model computes; or `path` does not end in `.mlpackage`.
            ModelError: the model is not an encoder that goalkit supports; see `Classifier.from_transformers`.
            ConfigurationError: calibration does not fit the settings.
            StorageError: the folder cannot be written.
        """
        path = Path(path)
        classifier = model if isinstance(model, Classifier) else Classifier.from_transformers(model)
        if path.suffix != PACKAGE_SUFFIX:
            raise ExportError(f"{path} must end in {PACKAGE_SUFFIX}: give the package such a name")
        self._check_length(classifier)
        checked = self._calibration(calibration, lambda: Calibration.of(classifier, self.sequence_length))
        with storage.replacing_folder(path, storage.PACKAGE) as folder:
            self._convert(classifier, folder, checked)
        return path

    def package_bytes(self, model: nn.Module, *, calibration: TokenBatch | None = None) -> int:
        """Measure the package that `export_package` writes, with these arguments and errors, in bytes."""
        with tempfile.TemporaryDirectory() as folder:
            path = self.export_package(model, Path(folder, f"measured{PACKAGE_SUFFIX}"), calibration=calibration)
            return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())

    def _check_length(self, model: Classifier) -> None:
        if self.sequence_length > (limit := model.encoder.max_length):
            raise ExportError(
                f"sequence_length is {self.sequence_length}, the encoder has {limit} positions: export a shorter one"
            )

    def _calibration(self, given: TokenBatch | None, default: Callable[[], Calibration]) -> Calibration | None:
        """Return the texts for checking half precision, or None for float32."""
        if self.precision != "float32":
            return default() if given is None else Calibration.given(given, self.sequence_length)
        if given is not None:
            raise ConfigurationError(
                "calibration is for half precision, and precision is 'float32': leave it out, or choose 'float16' or 'mixed'"
            )
        return None

    def _convert(self, model: Classifier, path: Path, calibration: Calibration | None) -> None:
        if calibration is None and any(quantised_inputs(model)):
            raise ConfigurationError(
                "the model has quantised activations, which only half precision makes use of: export with "
                "precision='float16' or 'mixed', or a model without them"
            )
        settings = ConversionSettings(
            length=self.sequence_length,
            target=self.deployment_target,
            half=calibration is not None,
            derive_mask=self.derive_mask,
        )
        if calibration is not None and self.derive_mask:
            calibration = calibration.padded_with(model.padding_id)
        if calibration is not None and self.precision == "mixed":
            settings = attrs.evolve(settings, float32_operations=large_results(model, settings, calibration.batch))
        if self.shorter_lengths:
            convert_lengths(model, path, settings, self.shorter_lengths)
        else:
            convert(model, path, settings)
        if calibration is not None:
            for length in self.shorter_lengths:
                if len((fitting := calibration.fitting(length)).batch):
                    check_ranges(path, fitting, function=function_name(length))
            check_ranges(path, calibration)

    def _manifest(self, model: GoalModel, heads: Sequence[UpdatableHead], calibration: str, golden: str) -> Manifest:
        forms = Counter(str(storage.form) for _, _, storage in stored_weights(model))
        forms.update(str(quantised) for _, _, quantised in quantised_inputs(model))
        libraries = ("goalkit", "torch", "transformers", "tokenizers", "coremltools", "numpy")
        with extra("export"):
            versions = {name: version(name) for name in libraries}
        return Manifest(
            tasks=model.tasks,
            inputs=("input_ids",) if self.derive_mask else ("input_ids", "attention_mask"),
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
                versions=versions,
                calibration=calibration,
                golden=golden,
            ),
        )


def _check_heads(model: GoalModel, heads: Sequence[UpdatableHead]) -> None:
    """Check that the heads belong to this model, at most one per task, and that Core ML can train them."""
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
