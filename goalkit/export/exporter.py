"""CoreMLExporter: writes the bundle that an app ships."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import attrs

from goalkit.configuration import between, one_of, write_json
from goalkit.errors import ConfigurationError, ExportError
from goalkit.export.bundle import GOLDEN, HINTS, PACKAGE, TOKENIZER_GOLDEN, VOCABULARY, Bundle
from goalkit.export.card import write_card
from goalkit.export.conversion import SPEC_VERSIONS, convert
from goalkit.export.golden import golden_texts, model_golden, tokenizer_golden
from goalkit.export.head import UpdatableHead
from goalkit.export.hints import Hints, default_hints
from goalkit.export.manifest import Manifest, Origin
from goalkit.export.package import write_model
from goalkit.model import GoalModel
from goalkit.storage import replacing_folder
from goalkit.weights import compressed_weights

PRECISIONS = ("float16", "float32")


@attrs.frozen(kw_only=True)
class CoreMLExporter:
    """Exports a model as a bundle.

    Args:
        sequence_length: tokens that each text is padded or cut to, at least 3. Daily goals have 10 to 50.
        deployment_target: the oldest system that must run it: "iOS16", "iOS17" or "iOS18".
        precision: "float16", which the Neural Engine needs, or "float32".
    """

    sequence_length: int = attrs.field(default=64, validator=between(3, math.inf))
    deployment_target: str = attrs.field(default="iOS16", validator=one_of(*SPEC_VERSIONS))
    precision: str = attrs.field(default="float16", validator=one_of(*PRECISIONS))

    def export(
        self, model: GoalModel, path: str | Path, *, heads: Sequence[UpdatableHead] = (), hints: Hints | None = None
    ) -> Bundle:
        """Convert `model` and write the bundle, replacing `path` whole or not at all.

        Args:
            model: the model to ship; compressed weights are carried over as the integers they are.
            path: the folder to write.
            heads: updatable heads built from the same model.
            hints: sentences for the app; by default goalkit's own if the model predicts goals' tasks.

        Returns:
            The bundle, which remembers `model` to measure parity against.

        Raises:
            ExportError: the model cannot be converted, or is too short for the sequence length.
            ConfigurationError: hints or heads do not fit the model's tasks.
            StorageError: the folder cannot be written.
        """
        path = Path(path)
        hints = hints or default_hints(model.tasks)
        self._check(model, heads, hints)
        with replacing_folder(path) as folder:
            half = self.precision == "float16"
            convert(model, folder / PACKAGE, length=self.sequence_length, target=self.deployment_target, half=half)
            for head in heads:
                write_model(folder / head.file_name, head.spec)
            (folder / VOCABULARY).write_bytes(model.tokenizer.file_bytes())
            write_json(folder / TOKENIZER_GOLDEN, tokenizer_golden(model.tokenizer, self.sequence_length))
            write_json(folder / GOLDEN, model_golden(model, golden_texts(), self.sequence_length))
            write_json(folder / HINTS, hints.to_dict())
            manifest = self._manifest(model, heads)
            write_card(folder, manifest)
            manifest = manifest.write(folder)
        return Bundle(path, manifest, model)

    def _check(self, model: GoalModel, heads: Sequence[UpdatableHead], hints: Hints) -> None:
        if self.sequence_length > model.encoder.max_length:
            limit = model.encoder.max_length
            raise ExportError(
                f"sequence_length is {self.sequence_length}, the encoder has {limit} positions: export a shorter one"
            )
        hints.check(model.tasks)
        names = [head.task for head in heads]
        if len(set(names)) != len(names) or not set(names) <= {task.name for task in model.tasks}:
            raise ConfigurationError(f"the heads are for {names}: give at most one for each of the model's tasks")

    def _manifest(self, model: GoalModel, heads: Sequence[UpdatableHead]) -> Manifest:
        forms = Counter(f"{storage.kind} int{storage.bits}" for _, _, storage in compressed_weights(model))
        libraries = ("goalkit", "torch", "transformers", "tokenizers", "coremltools", "numpy")
        return Manifest(
            tasks=model.tasks,
            sequence_length=self.sequence_length,
            embedding_size=model.encoder.hidden_size,
            lowercase=model.tokenizer.lowercase,
            deployment_target=self.deployment_target,
            precision=self.precision,
            heads={head.task: head.file_name for head in heads},
            origin=Origin(
                backbone=model.configuration.backbone,
                model_sha256=model.digest(),
                compression=dict(forms),
                versions={name: version(name) for name in libraries},
            ),
        )
