"""Rehearses on the desktop the training that `MLUpdateTask` will do with a saved head on the phone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from goalkit.errors import ConfigurationError, RuntimeModelError, TrainingError, UnsupportedOperationError
from goalkit.export.package import model_bytes
from goalkit.export.runtime.damage import model_errors
from goalkit.export.runtime.labels import Label, class_labels
from goalkit.export.runtime.loading import executable, read_spec
from goalkit.export.runtime.network import InnerProduct, Layer, read_layers
from goalkit.export.updatable.interface_rules import NEIGHBOURS
from goalkit.export.updatable.optimizers import Optimizer, read_optimizer
from goalkit.export.updatable.parameters import chosen
from goalkit.export.updatable.validation import raise_violations
from goalkit.storage import write_file

Array = npt.NDArray[np.float32]

ASSUMPTIONS = (
    "examples are shuffled before each epoch, with this machine's generator: the order differs from a phone's",
    "the last batch of an epoch may be smaller; its loss is the mean over its own examples",
    "momentum is v ← μv + g, w ← w - ηv, starting at zero",
    "Adam corrects the bias of its moments, which start at zero (Kingma & Ba, 2015)",
    "numbers are float32",
)
"""Assumptions about what Apple does not document of `MLUpdateTask`."""


@attrs.frozen
class Update:
    """One rehearsed training: the seed of its shuffling, the mean loss per epoch, and the resulting head."""

    seed: int
    losses: tuple[float, ...]
    spec: Any = attrs.field(repr=False)


@attrs.frozen
class Rehearsal:
    """The same training with several shuffling seeds, as the order on the phone is unknown: see `ASSUMPTIONS`."""

    updates: tuple[Update, ...]

    @property
    def losses(self) -> npt.NDArray[np.float64]:
        """Training loss, [seeds, epochs]."""
        return np.array([update.losses for update in self.updates])

    def accuracies(self, embeddings: npt.ArrayLike, labels: Sequence[Label]) -> npt.NDArray[np.float64]:
        """Accuracy of the head of each seed on N embeddings, float32 [N, H], as an array [seeds].

        Raises:
            TrainingError: there are no embeddings, or the embeddings or labels do not fit the head.
        """
        points = checked_examples(self.updates[0].spec, embeddings, labels)
        return np.array([accuracy(update.spec, points, labels) for update in self.updates])

    def save(self, path: str | Path, *, update: int = 0) -> Path:
        """Write the head of one update, replacing `path` atomically. Raises StorageError if it cannot be written."""
        path = Path(path)
        write_file(path, model_bytes(self.updates[update].spec))
        return path


def accuracy(spec: Any, embeddings: Array, labels: Sequence[Label]) -> float:
    """Share of embeddings, float32 [N, H], that a head predicts correctly."""
    return float(np.mean(predicted_labels(spec, embeddings) == np.array(labels)))


def predicted_labels(spec: Any, embeddings: Array) -> npt.NDArray[np.str_ | np.int64]:
    """Most probable labels, [N], of embeddings, float32 [N, H], according to a head."""
    model = executable(spec)
    found = model.predict_many(dict.fromkeys(model.inputs, embeddings), batch_size=256)
    labels = [found[name] for name, feature in model.outputs.items() if feature.is_label]
    if not labels:
        raise RuntimeModelError("the head outputs no label: restore the file or export again")
    return labels[0]


def rehearse_update(
    head: str | Path | Any,
    embeddings: npt.ArrayLike,
    labels: Sequence[Label],
    *,
    parameters: Mapping[str, float] | None = None,
    seeds: int = 10,
) -> Rehearsal:
    """Train a saved head with the settings in its own file: loss, optimizer, batch size, epochs, shuffle.

    Args:
        head: the `.mlmodel` file, or its protobuf message; a neural network or nearest neighbours.
        embeddings: float32 [N, H], as the program outputs them.
        labels: their N labels.
        parameters: values other than the file's defaults, as an app may set them in `MLModelConfiguration.parameters`:
            epochs, learningRate, miniBatchSize, momentum, beta1, beta2, eps, numberOfNeighbors.
        seeds: number of shuffling orders; the first seed is the file's own. Nearest neighbours are not shuffled and are
            trained once.

    Raises:
        UpdatableModelError: the head breaks a rule of Core ML.
        RuntimeModelError: the file is missing or damaged.
        TrainingError: there are no examples, they do not fit the head, or are not finite; or training diverged.
        ConfigurationError: the file lacks a parameter, or does not allow its value.
    """
    points = np.asarray(embeddings, np.float32)
    source = str(head) if isinstance(head, str | Path) else "the head"
    with model_errors(source):
        spec = read_spec(Path(head)) if isinstance(head, str | Path) else head
        raise_violations(spec, source)
        return _rehearsed(spec, points, labels, parameters or {}, seeds)


def _rehearsed(spec: Any, points: Array, labels: Sequence[Label], parameters: Mapping[str, float], seeds: int) -> Rehearsal:
    kind = spec.WhichOneof("Type")
    if kind not in ("neuralNetworkClassifier", NEIGHBOURS):
        raise UnsupportedOperationError(
            f"a model of type {kind} cannot be rehearsed: give the head itself, which is a classifier"
        )
    if seeds < 1:
        raise ConfigurationError(f"seeds is {seeds}: it must be at least 1")
    points = checked_examples(spec, points, labels)
    if kind == NEIGHBOURS:
        return Rehearsal((_add_neighbours(spec, points, labels, parameters),))
    training = _Training.read(spec, parameters)
    known = class_labels(spec.neuralNetworkClassifier)
    targets = np.array([known.index(label) for label in labels])
    first = spec.neuralNetworkClassifier.updateParams.seed.defaultValue
    return Rehearsal(tuple(training.run(spec, points, targets, first + offset) for offset in range(seeds)))


@attrs.frozen
class _Training:
    """Training settings read from the file."""

    optimizer: Optimizer
    epochs: int
    batch_size: int
    shuffled: bool

    @classmethod
    def read(cls, spec: Any, parameters: Mapping[str, float]) -> _Training:
        update = spec.neuralNetworkClassifier.updateParams
        optimizer = read_optimizer(update.optimizer, parameters)
        known = ("epochs", "miniBatchSize", *optimizer.parameters)
        if unknown := sorted(set(parameters) - set(known)):
            raise ConfigurationError(f"this head has no parameter {', '.join(unknown)}; it has {', '.join(known)}")
        sizes = getattr(update.optimizer, update.optimizer.WhichOneof("OptimizerType")).miniBatchSize
        return cls(
            optimizer,
            int(chosen("epochs", update.epochs, parameters.get("epochs"))),
            int(chosen("miniBatchSize", sizes, parameters.get("miniBatchSize"))),
            update.shuffle.defaultValue,
        )

    def run(self, spec: Any, points: Array, targets: npt.NDArray[np.int64], seed: int) -> Update:
        layers = read_layers(spec.neuralNetworkClassifier, [feature.name for feature in spec.description.input])
        weights = [
            array
            for layer in layers
            if isinstance(layer, InnerProduct) and layer.updatable
            for array in (layer.weight, layer.bias)
        ]
        step = self.optimizer.start(weights)
        order = np.random.default_rng(seed)
        losses: list[float] = []
        for _ in range(self.epochs):
            rows = order.permutation(len(points)) if self.shuffled else np.arange(len(points))
            batches = [rows[start : start + self.batch_size] for start in range(0, len(rows), self.batch_size)]
            total = 0.0
            with np.errstate(over="ignore", invalid="ignore"):  # reported below
                for batch in batches:
                    loss, gradients = loss_and_gradients(layers, points[batch], targets[batch])
                    step(gradients)
                    total += loss
            if not np.isfinite(total) or not all(np.isfinite(array).all() for array in weights):
                raise TrainingError(
                    f"training diverged in epoch {len(losses) + 1}: lower the learning rate; the head is unchanged"
                )
            losses.append(total / len(batches))
        return Update(seed, tuple(losses), _with_weights(spec, layers))


def loss_and_gradients(layers: Sequence[Layer], points: Array, targets: npt.NDArray[np.int64]) -> tuple[float, list[Array]]:
    """Mean categorical cross-entropy, and its gradients by the weight and bias of each updatable layer, in their order.

    Args:
        layers: a chain of layers that ends in a softmax.
        points: float32 [N, H].
        targets: int [N].
    """
    values = [points]
    for layer in layers:
        values.append(layer.forward(values[-1]))
    probabilities, count = values.pop(), len(points)
    likelihoods = probabilities[np.arange(count), targets]
    loss = float(-np.log(np.maximum(likelihoods, np.finfo(np.float32).tiny)).mean())
    gradient: Array = probabilities / np.float32(count)
    gradient[np.arange(count), targets] -= np.float32(1 / count)
    gradients: list[Array] = []
    for layer, entered in zip(reversed(layers[:-1]), reversed(values[:-1]), strict=True):
        if isinstance(layer, InnerProduct):
            if layer.updatable:
                gradients[:0] = [gradient.T @ entered, gradient.sum(0)]
            gradient = gradient @ layer.weight
        else:
            gradient = gradient * (entered > 0)
    return loss, gradients


def _with_weights(spec: Any, layers: Sequence[Layer]) -> Any:
    """Return a copy of the head with the current weights of its layers."""
    updated = type(spec).FromString(spec.SerializeToString())
    for saved, layer in zip(updated.neuralNetworkClassifier.layers, layers, strict=True):
        if isinstance(layer, InnerProduct) and layer.updatable:
            saved.innerProduct.weights.floatValue[:] = layer.weight.ravel().tolist()
            if saved.innerProduct.hasBias:
                saved.innerProduct.bias.floatValue[:] = layer.bias.tolist()
    return updated


def _add_neighbours(spec: Any, points: Array, labels: Sequence[Label], parameters: Mapping[str, float]) -> Update:
    updated = type(spec).FromString(spec.SerializeToString())
    classifier = updated.kNearestNeighborsClassifier
    if unknown := sorted(set(parameters) - {"numberOfNeighbors"}):
        raise ConfigurationError(f"this head has no parameter {', '.join(unknown)}; it has numberOfNeighbors")
    count = chosen("numberOfNeighbors", classifier.numberOfNeighbors, parameters.get("numberOfNeighbors"))
    classifier.numberOfNeighbors.defaultValue = int(count)
    for point in points:
        classifier.nearestNeighborsIndex.floatSamples.add().vector.extend(point.tolist())
    kind = classifier.WhichOneof("ClassLabels") or classifier.WhichOneof("DefaultClassLabel")
    numbered = "int64" in kind.lower()
    for label in labels:
        if isinstance(label, str) == numbered:
            raise TrainingError(
                f"the head's labels are {'integers' if numbered else 'strings'}, not {label!r}: give such labels"
            )
    (classifier.int64ClassLabels if numbered else classifier.stringClassLabels).vector.extend(labels)
    return Update(0, (), updated)


def checked_examples(spec: Any, embeddings: npt.ArrayLike, labels: Sequence[Label]) -> Array:
    """Return the embeddings as float32 [N, H]. For nearest neighbours, labels may be new.

    Raises:
        TrainingError: there are none, they do not fit the head or the labels, or a neural network lacks a label.
    """
    points = np.asarray(embeddings, np.float32)
    (feature,) = spec.description.input
    shape = tuple(feature.type.multiArrayType.shape)
    if len(points) == 0 or len(labels) == 0:
        raise TrainingError("there are no examples to learn from: collect some first; the head is unchanged")
    if len(points) != len(labels):
        raise TrainingError(f"there are {len(points)} embeddings and {len(labels)} labels: give one label per embedding")
    if points.shape[1:] != shape:
        raise TrainingError(
            f"the embeddings have the shape {list(points.shape[1:])}, the head takes {list(shape)}: compute them with the "
            "head's own program"
        )
    if len(bad := np.flatnonzero(~np.isfinite(points).all(axis=1))):
        raise TrainingError(f"embedding {bad[0]} holds NaN or infinity: check its text for an overflow; the head is unchanged")
    known = class_labels(spec.neuralNetworkClassifier)
    if known and (unknown := [label for label in labels if label not in known]):
        raise TrainingError(
            f"the head has no label {unknown[0]!r}; its labels are {', '.join(map(str, known))}: export it with a spare slot"
        )
    return points
