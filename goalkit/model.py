"""GoalModel: an encoder, a linear head per task, and a tokenizer."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor
from torch.nn.utils import parametrize

from goalkit.backbones import Backbone, Checkpoint, Encoder, find_backbone, inherit_weights, vocabulary_from_texts
from goalkit.classifier import Classifier
from goalkit.configuration import from_dict, json_bytes, one_of, read_json, to_dict, write_json
from goalkit.errors import ConfigurationError, ModelError, reason_of
from goalkit.outputs import Output
from goalkit.storage import MODEL, combined_digest, readable_folder, replacing_folder
from goalkit.tasks import Task
from goalkit.tokenization import TokenizerSettings, WordPieceTokenizer
from goalkit.weights import CompressedLayers, layer_shapes, restore_floats, restore_inputs

logger = logging.getLogger(__name__)

SCHEMA = 3


@attrs.frozen(kw_only=True)
class ModelConfiguration:
    """All that is needed, besides tensors and vocabulary, to rebuild a GoalModel; saved as its `config.json`."""

    backbone: str
    encoder: dict[str, Any]
    tasks: tuple[Task, ...]
    pooling: str = attrs.field(validator=one_of("mean", "cls"))
    tokenizer: TokenizerSettings = attrs.field(factory=TokenizerSettings)
    vocabulary_sha256: str = ""
    compression: CompressedLayers = attrs.field(factory=CompressedLayers)
    schema: int = SCHEMA


@attrs.frozen
class Prediction:
    """Prediction for one text: the most probable label per task, and the probability of every label."""

    text: str
    labels: dict[str, str]
    probabilities: dict[str, dict[str, float]]


class GoalModel(Classifier):
    """A classifier with its tokenizer, saved and loaded by the name of its backbone.

    Args:
        configuration: its `compression` is ignored; `configuration_now` describes the current layers.
        encoder: as the backbone builds it with these settings; its layers may be compressed or reshaped later.
        tokenizer: its ids are the row numbers of the encoder's embedding table.
    """

    def __init__(self, configuration: ModelConfiguration, encoder: Encoder, tokenizer: WordPieceTokenizer) -> None:
        super().__init__(encoder, [Output(task.name, task.labels) for task in configuration.tasks], configuration.pooling)
        self.tasks = configuration.tasks
        self.configuration = configuration
        self.tokenizer = tokenizer
        self.padding_id = tokenizer.padding_id
        self._built = layer_shapes(self)

    @classmethod
    def from_backbone(
        cls,
        backbone: str,
        *,
        tasks: Sequence[Task],
        vocabulary_from: Iterable[str] | None = None,
        checkpoint: str | Path | None = None,
        pooling: str | None = None,
        encoder: Mapping[str, Any] | None = None,
        weights: str | None = None,
        seed: int = 0,
    ) -> GoalModel:
        """Create a model to be trained.

        Args:
            backbone: the name of an installed backbone; `goalkit backbones` lists them.
            tasks: the tasks to predict.
            vocabulary_from: build the vocabulary from these texts (training texts only) instead of the shipped one.
            checkpoint: folder or hub name of pre-trained weights, which include their own vocabulary; or the folder of a
                GoalModel of this backbone, whose encoder is taken over without its heads.
            pooling: "mean" over tokens, or "cls", the first token; by default that of the GoalModel, or the backbone's own.
            encoder: settings of the encoder to change, such as `{"num_hidden_layers": 2}`.
            weights: "pretrained" to start from the weights that come with the backbone (the first layers if there are fewer,
                the rows of the pieces that the vocabulary shares, the heads of tasks that are the same), "random" not to; by
                default pretrained ones if the backbone has some that fit the settings of the encoder.
            seed: for the random weights.

        Raises:
            BackboneError: the backbone is unknown or broken.
            ConfigurationError: a setting is unknown, two tasks share a name, or arguments contradict each other.
            ModelError: there is no usable checkpoint, or the pretrained weights do not fit.
        """
        if weights not in (None, "pretrained", "random"):
            raise ConfigurationError(f"weights is {weights!r}: give 'pretrained' or 'random'")
        found = find_backbone(backbone)
        names = [task.name for task in tasks]
        if not names or len(set(names)) != len(names):
            raise ConfigurationError(f"the tasks are named {names}: give at least one task, each with its own name")
        if checkpoint is not None and (vocabulary_from is not None or encoder or weights):
            raise ConfigurationError(
                "a checkpoint brings its own vocabulary, settings and weights: leave vocabulary_from, encoder and weights out"
            )
        source = None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            own = None if checkpoint is None else _model_in(checkpoint, backbone)
            if checkpoint is not None:
                loaded = found.load_checkpoint(checkpoint) if own is None else own._checkpoint()
                settings, module, tokenizer = loaded.configuration, loaded.encoder, loaded.tokenizer
                pooling = pooling or loaded.pooling
            else:
                pieces = found.vocabulary() if vocabulary_from is None else vocabulary_from_texts(vocabulary_from)
                tokenizer = WordPieceTokenizer(tuple(pieces))
                settings = found.configuration(len(pieces), encoder or {})
                module = found.encoder(settings)
                if weights != "random":
                    source = _start_from_pretrained(module, tokenizer, found, required=weights is not None)
            tokenizer = attrs.evolve(tokenizer, settings=tokenizer.settings.with_cleaning())
            configuration = ModelConfiguration(
                backbone=backbone,
                encoder=dict(settings),
                tasks=tuple(tasks),
                pooling=pooling or found.pooling,
                tokenizer=tokenizer.settings,
            )
            model = cls(configuration, module, tokenizer)
        if own is not None:  # its encoder may be narrower than the backbone builds it
            model._built |= {name: shape for name, shape in own._built.items() if name.startswith("encoder.")}
        if source is not None:
            model._take_heads(source)
        return model

    def _take_heads(self, source: GoalModel) -> None:
        """Copy the heads of the tasks that another model has too, with the same labels in the same order."""
        for task in set(self.tasks) & set(source.tasks):
            self.heads[task.name].load_state_dict(source.heads[task.name].state_dict())

    def _checkpoint(self) -> Checkpoint:
        return Checkpoint(self.configuration.encoder, self.encoder, self.tokenizer, self.pooling)

    def _batches(self, texts: Sequence[str], length: int | None, size: int) -> Iterator[tuple[list[int], Tensor, Tensor]]:
        """Yield batches of texts of similar length, with their positions in `texts`."""
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        device = next(self.parameters()).device
        for start in range(0, len(order), size):
            places = order[start : start + size]
            batch = self.tokenizer.encode([texts[place] for place in places], length, longest=self.encoder.max_length)
            yield places, torch.from_numpy(batch.input_ids).to(device), torch.from_numpy(batch.attention_mask).to(device)

    @torch.no_grad()
    def embed(self, texts: Sequence[str], *, length: int | None = None, batch_size: int = 64) -> npt.NDArray[np.float32]:
        """Compute embeddings of N texts, float32 [N, H].

        Args:
            texts: N strings.
            length: pad or cut to this many tokens; by default each batch has its own length.
            batch_size: texts per batch.
        """
        if length is not None and length > self.encoder.max_length:
            raise ConfigurationError(
                f"length is {length}, the encoder has {self.encoder.max_length} positions: choose a shorter one"
            )
        was_training = self.training
        self.eval()
        result = np.zeros((len(texts), self.encoder.hidden_size), dtype=np.float32)
        with parametrize.cached():
            for places, ids, mask in self._batches(texts, length, batch_size):
                result[places] = self.embedding(ids, mask, ids.shape[1]).float().cpu().numpy()
        self.train(was_training)
        return result

    @torch.no_grad()
    def predict_probabilities(
        self, texts: Sequence[str], *, length: int | None = None, batch_size: int = 64
    ) -> dict[str, npt.NDArray[np.float32]]:
        """Compute probabilities of N texts, float32 [N, labels] per task, each row summing to 1. Arguments as in `embed`."""
        return self.head_probabilities(self.embed(texts, length=length, batch_size=batch_size))

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Predict labels and probabilities of N texts, in their order."""
        return predictions(self.tasks, texts, self.predict_probabilities(texts))

    def configuration_now(self) -> ModelConfiguration:
        """The configuration to save, with the weights' current shapes and stored forms, and the vocabulary's digest."""
        digest = hashlib.sha256(self.tokenizer.file_bytes()).hexdigest()
        return attrs.evolve(self.configuration, compression=CompressedLayers.of(self, self._built), vocabulary_sha256=digest)

    def _contents(self) -> dict[str, bytes]:
        """Return the files of the model folder; they are the same bytes for the same model."""
        tensors = {name: tensor.contiguous() for name, tensor in sorted(self.state_dict().items())}
        return {
            "config.json": json_bytes(to_dict(self.configuration_now())),
            "model.safetensors": save_tensors(tensors, metadata={"format": "pt"}),
            "vocab.txt": self.tokenizer.file_bytes(),
        }

    def digest(self) -> str:
        """SHA-256 of the model folder that `save` writes (see goalkit.storage.folder_digest)."""
        return combined_digest({name: hashlib.sha256(data).hexdigest() for name, data in self._contents().items()})

    def size_bytes(self) -> int:
        """Size of the tensors on disk in bytes."""
        return len(self._contents()["model.safetensors"])

    def save(self, folder: str | Path, *, records: Mapping[str, Any] | None = None) -> Path:
        """Write `config.json`, `model.safetensors` and `vocab.txt`, replacing the folder atomically.

        Args:
            folder: where to write.
            records: further files of the folder, such as `training.json`: by name, what they hold, ready for JSON.

        Raises:
            StorageError: the folder cannot be written.
        """
        folder = Path(folder)
        with replacing_folder(folder, MODEL) as temporary:
            for name, data in self._contents().items():
                (temporary / name).write_bytes(data)
            for name, record in (records or {}).items():
                write_json(temporary / name, record)
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> GoalModel:
        """Load a model from a folder that `save` wrote.

        Raises:
            ModelError: a file is missing, truncated, of another schema, or inconsistent with the others.
            BackboneError: the backbone's plugin is not installed or broken.
        """
        folder = readable_folder(Path(folder))
        path = folder / "model.safetensors"
        data = read_json(folder / "config.json", error=ModelError)
        _check_schema(data, source=str(folder / "config.json"))
        configuration = from_dict(ModelConfiguration, data, source=str(folder / "config.json"), error=ModelError)
        tokenizer = WordPieceTokenizer.from_file(folder / "vocab.txt", configuration.tokenizer)
        if hashlib.sha256(tokenizer.file_bytes()).hexdigest() != configuration.vocabulary_sha256:
            raise ModelError(f"{folder / 'vocab.txt'} is not the vocabulary of this model: restore it, ids depend on its lines")
        model = _build(configuration, tokenizer, source=str(folder / "config.json"))
        try:
            tensors = load_tensors(path.read_bytes())
        except (OSError, SafetensorError) as error:
            raise ModelError(f"{path} is missing or damaged ({error}): restore it or save the model again") from error
        try:
            model.load_state_dict(tensors)
        except RuntimeError as error:
            raise ModelError(f"{path} does not fit config.json ({reason_of(error)}): restore both from one save") from error
        return model


def _uncompressed(folder: Path) -> GoalModel:
    with torch.random.fork_rng(devices=[]):
        model = GoalModel.load(folder)
    restore_floats(model)
    restore_inputs(model)
    return model


def _model_in(source: str | Path, backbone: str) -> GoalModel | None:
    """Return the GoalModel in a folder, with float weights; None if there is no GoalModel."""
    path = Path(source) / "config.json"
    if not path.is_file() or "backbone" not in (data := read_json(path, error=ModelError)):
        return None
    if data["backbone"] != backbone:
        raise ModelError(f"{source} holds a model of backbone {data['backbone']!r}, not {backbone!r}: choose that backbone")
    return _uncompressed(Path(source))


def _start_from_pretrained(
    encoder: Encoder, tokenizer: WordPieceTokenizer, backbone: Backbone, *, required: bool
) -> GoalModel | None:
    """Take over the encoder that comes with a backbone, as far as layers and vocabulary go; return the model it is from."""
    folder = backbone.pretrained()
    if folder is None:
        if required:
            raise ModelError(
                f"backbone {backbone.name!r} comes without pretrained weights: give a checkpoint, or weights='random'"
            )
        return None
    source = _uncompressed(folder)
    pieces, known = ({piece: row for row, piece in enumerate(each.vocabulary)} for each in (tokenizer, source.tokenizer))
    try:
        share = inherit_weights(encoder, pieces, source.encoder, known, range(len(encoder.anatomy().layers)))
    except ModelError as error:
        if required:
            raise ModelError(f"the pretrained weights of {backbone.name!r} do not fit: {error}") from error
        logger.info("the pretrained weights of %s do not fit (%s): the weights are random", backbone.name, error)
        return None
    logger.info("pretrained weights for %.1f %% of the vocabulary", 100 * share)
    return source


def _check_schema(data: Any, *, source: str) -> None:
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema == SCHEMA:
        return
    if not isinstance(schema, int):
        raise ModelError(f"{source} is not of a goalkit model: give a folder that GoalModel.save wrote")
    remedy = (
        "train or compress again with this version, or load it with the goalkit that saved it"
        if schema < SCHEMA
        else "update goalkit"
    )
    raise ModelError(f"{source} is of schema {schema}, this goalkit reads schema {SCHEMA}: {remedy}")


def _build(configuration: ModelConfiguration, tokenizer: WordPieceTokenizer, *, source: str) -> GoalModel:
    with torch.random.fork_rng(devices=[]):
        encoder = find_backbone(configuration.backbone).encoder(configuration.encoder)
    model = GoalModel(configuration, encoder, tokenizer)
    configuration.compression.prepare(model, source=source)
    return model


def predictions(
    tasks: Sequence[Task], texts: Sequence[str], probabilities: Mapping[str, npt.NDArray[np.float32]]
) -> list[Prediction]:
    """Convert arrays of probabilities, [N, labels] per task, to one `Prediction` per text."""
    result = []
    for row, text in enumerate(texts):
        by_task = {task.name: dict(zip(task.labels, map(float, probabilities[task.name][row]), strict=True)) for task in tasks}
        result.append(Prediction(text, {name: max(each, key=each.__getitem__) for name, each in by_task.items()}, by_task))
    return result
