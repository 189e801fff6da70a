"""The updatable head: the part of the model that learns on the phone.

An ML program can never be updatable; a neural network of inner products can, if it follows Core ML's rules. So each task's
head is shipped a second time, as a small `.mlmodel` that takes the program's `embedding`.
"""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from goalkit.configuration import between, one_of
from goalkit.errors import ConfigurationError
from goalkit.export.coreml import coremltools, quiet
from goalkit.model import GoalModel
from goalkit.tasks import task_named

Array = npt.NDArray[np.float64]

MOMENTUM = ("momentum", "momentum_range")

SPARE_BIAS = -20.0
"""Bias of a spare slot: e^-20 is 2e-9, practically never predicted, while its gradient is as large as any other label's."""


@attrs.frozen
class UpdatableHead:
    """A head ready to be saved: the task it predicts, its Core ML specification, and its spare slots."""

    task: str
    spec: Any = attrs.field(repr=False)
    spare_slots: tuple[str, ...] = ()

    @property
    def file_name(self) -> str:
        """The head's file name in a bundle."""
        return f"GoalHead-{self.task}.mlmodel"


def _in_choices(name: str) -> Any:
    def check(builder: Any, attribute: attrs.Attribute[int], value: int) -> None:
        choices = getattr(builder, name)
        if value not in choices or min(choices) < 1:
            raise ConfigurationError(
                f"{attribute.name} is {value}, {name} are {choices}: the default must be among the choices, all positive"
            )

    return check


def _in_range(name: str) -> Any:
    def check(builder: Any, attribute: attrs.Attribute[float], value: float) -> None:
        low, high = getattr(builder, name)
        if not 0 <= low <= value <= high or low == high:
            raise ConfigurationError(
                f"{attribute.name} is {value}, {name} is {low} to {high}: the default must lie in the range, not negative"
            )

    return check


@attrs.frozen(kw_only=True)
class UpdatableHeadBuilder:
    """Builds the updatable head of a task from the trained head; at first both give the same probabilities.

    It is one inner product and a softmax, or two inner products with a ReLU between them. The settings are the defaults of
    `MLUpdateTask`; with `MLModelConfiguration.parameters` an app may choose other values within the ranges and choices given
    here (Apple, Core ML: MLParameterKey).

    Args:
        task: the task whose head to build.
        hidden_size: units between the inner products, at least twice the number of labels; None for a single inner product.
        spare_slots: number of labels `slot_1`, … that are unused at first, for labels that the user adds later.
        epochs, epoch_choices: passes over the user's examples.
        optimizer: "sgd" or "adam".
        learning_rate, learning_rate_range: of the optimizer.
        momentum, momentum_range: SGD only; Adam uses its usual constants (Kingma & Ba, 2015, arXiv 1412.6980).
        batch_size, batch_size_choices: examples per step.
        seed: for the shuffling of examples and for new hidden units.
    """

    task: str
    hidden_size: int | None = attrs.field(default=None, validator=attrs.validators.optional(between(1, whole=True)))
    spare_slots: int = attrs.field(default=0, validator=between(0, 20, whole=True))
    epoch_choices: tuple[int, ...] = attrs.field(default=(1, 2, 5, 10, 20, 50), converter=tuple)
    epochs: int = attrs.field(default=10, validator=_in_choices("epoch_choices"))
    optimizer: str = attrs.field(default="sgd", validator=one_of("sgd", "adam"))
    learning_rate_range: tuple[float, float] = attrs.field(default=(1e-5, 1.0), converter=tuple)
    learning_rate: float = attrs.field(default=0.01, validator=_in_range("learning_rate_range"))
    momentum_range: tuple[float, float] = attrs.field(default=(0.0, 0.99), converter=tuple)
    momentum: float = attrs.field(default=0.9, validator=_in_range("momentum_range"))
    batch_size_choices: tuple[int, ...] = attrs.field(default=(1, 2, 4, 8, 16, 32), converter=tuple)
    batch_size: int = attrs.field(default=8, validator=_in_choices("batch_size_choices"))
    seed: int = 0

    def __attrs_post_init__(self) -> None:
        defaults = attrs.fields_dict(type(self))
        if self.optimizer == "adam" and any(getattr(self, name) != defaults[name].default for name in MOMENTUM):
            raise ConfigurationError(
                "momentum is a setting of 'sgd', but optimizer is 'adam': leave momentum and its range out"
            )

    def build(self, model: GoalModel) -> UpdatableHead:
        """Build the task's head of `model` as a Core ML classifier of `embedding`, float32 [H].

        Outputs are `label`, the most probable label, and `probabilities`, a dictionary from labels to probabilities.

        Raises:
            ConfigurationError: the model has no such task, or `hidden_size` is too small to hold its head.
        """
        task = task_named(model.tasks, self.task)
        slots = tuple(f"slot_{number + 1}" for number in range(self.spare_slots))
        if taken := set(slots) & set(task.labels):
            raise ConfigurationError(
                f"{task.name} has labels {', '.join(sorted(taken))}, which are names of spare slots: rename these labels"
            )
        layer = model.heads[task.name]
        weight, bias = (each.detach().double().numpy() for each in (layer.weight, layer.bias))
        if slots:
            weight, bias = _with_spare_slots(weight, bias, len(slots))
        layers = [("classifier", weight, bias)]
        if self.hidden_size is not None:
            layers = self._with_hidden_layer(weight, bias, self.hidden_size)
        spec = self._specification(layers, (*task.labels, *slots))
        spec.description.metadata.shortDescription = f"Predicts {task.name}, and learns from the user's corrections"
        return UpdatableHead(task.name, spec, slots)

    def _with_hidden_layer(self, weight: Array, bias: Array, size: int) -> list[tuple[str, Array, Array]]:
        """Split a layer into two, relu(Wx) - relu(-Wx) = Wx. Further units are random, with output weights of zero."""
        labels, width = weight.shape
        if size < 2 * labels:
            raise ConfigurationError(f"hidden_size is {size}: it must be at least {2 * labels}, twice the labels and slots")
        spread = np.sqrt(2 / width)  # He et al., 2015, arXiv 1502.01852
        fresh = np.random.default_rng(self.seed).normal(0, spread, (size - 2 * labels, width))
        readout = np.zeros((labels, size))
        readout[:, :labels], readout[:, labels : 2 * labels] = np.eye(labels), -np.eye(labels)
        return [("hidden", np.concatenate([weight, -weight, fresh]), np.zeros(size)), ("classifier", readout, bias)]

    def _specification(self, layers: list[tuple[str, Array, Array]], labels: tuple[str, ...]) -> Any:
        ct = coremltools()
        with quiet():
            # rank-5 mapping (the default) lets the plain softmax, the only trainable one, take a vector
            builder = ct.models.neural_network.NeuralNetworkBuilder(
                [("embedding", ct.models.datatypes.Array(layers[0][1].shape[1]))],
                [("probabilities", None)],
                mode="classifier",
                use_float_arraytype=True,
            )
            blob = "embedding"
            for name, weight, bias in layers:
                last = name == "classifier"
                outputs, inputs = weight.shape
                result = "logits" if last else f"{name}_sums"
                builder.add_inner_product(
                    name,
                    weight.astype(np.float32),
                    bias.astype(np.float32),
                    inputs,
                    outputs,
                    has_bias=True,
                    input_name=blob,
                    output_name=result,
                )
                blob = result
                if not last:
                    blob = f"{name}_units"
                    builder.add_activation(f"{name}_relu", "RELU", result, blob)
            builder.add_softmax("softmax", input_name=blob, output_name="probabilities")
            builder.set_class_labels(list(labels), predicted_feature_name="label", prediction_blob="probabilities")
            builder.make_updatable([name for name, _, _ in layers])
            builder.set_categorical_cross_entropy_loss("loss", "probabilities")
            self._set_optimizer(builder, ct.models.neural_network)
            builder.set_epochs(self.epochs, list(self.epoch_choices))
            builder.set_shuffle(self.seed)
        return builder.spec

    def _set_optimizer(self, builder: Any, neural_network: Any) -> None:
        updates = neural_network.update_optimizer_utils
        if self.optimizer == "sgd":
            sgd = updates.SgdParams()
            sgd.set_lr(self.learning_rate, *self.learning_rate_range)
            sgd.set_batch(self.batch_size, list(self.batch_size_choices))
            sgd.set_momentum(self.momentum, *self.momentum_range)
            builder.set_sgd_optimizer(sgd)
        else:
            adam = updates.AdamParams()
            adam.set_lr(self.learning_rate, *self.learning_rate_range)
            adam.set_batch(self.batch_size, list(self.batch_size_choices))
            builder.set_adam_optimizer(adam)


def _with_spare_slots(weight: Array, bias: Array, count: int) -> tuple[Array, Array]:
    """Append rows for spare slots, which together get less than count · e^-20 of the probability.

    For that, the other rows are shifted so that the logits of a text have mean zero, which changes no probability: the sum of
    their exponentials is then at least their number.
    """
    weight, bias = weight - weight.mean(0), bias - bias.mean()
    return (
        np.concatenate([weight, np.zeros((count, weight.shape[1]))]),
        np.concatenate([bias, np.full(count, SPARE_BIAS)]),
    )
