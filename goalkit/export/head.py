"""The updatable head: the part of the model that keeps learning on the phone.

An ML program can never be updatable; a neural network of inner products can, if it follows Core ML's rules. So each task's
head is shipped a second time, as a small `.mlmodel` behind the program's `embedding`.
"""

from __future__ import annotations

from typing import Any

import attrs

from goalkit.configuration import one_of
from goalkit.errors import ConfigurationError
from goalkit.export.coreml import coremltools, quiet
from goalkit.model import GoalModel
from goalkit.tasks import task_named


@attrs.frozen
class UpdatableHead:
    """A head ready to be saved: the task it predicts, and its Core ML specification."""

    task: str
    spec: Any = attrs.field(repr=False)

    @property
    def file_name(self) -> str:
        """What the head is called in a bundle."""
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
    """Builds the updatable head of a task: one inner product and a softmax, seeded from the trained head.

    The defaults are what `MLUpdateTask` uses unless the app's `MLModelConfiguration.parameters` choose another value from
    the ranges and choices given here (Apple, Core ML: MLParameterKey).

    Args:
        task: whose head to build.
        epochs, epoch_choices: passes over the user's examples.
        optimizer: "sgd" or "adam".
        learning_rate, learning_rate_range: of the optimizer.
        momentum, momentum_range: of SGD; Adam has its usual constants (Kingma & Ba, 2015, arXiv 1412.6980).
        batch_size, batch_size_choices: examples a step.
        seed: of the shuffling of examples.
    """

    task: str
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

    def build(self, model: GoalModel) -> UpdatableHead:
        """The head of `model` for the task, as a Core ML classifier from `embedding`, float32 [H].

        Outputs are `label`, the likeliest label, and `probabilities`, a dictionary from labels to probabilities.

        Raises:
            ConfigurationError: the model has no such task.
        """
        task = task_named(model.tasks, self.task)
        ct = coremltools()
        layer = model.heads[task.name]
        width, count = layer.in_features, layer.out_features
        with quiet():
            # rank-5 mapping (the default) lets the plain softmax, the only one that is trainable, take a vector
            builder = ct.models.neural_network.NeuralNetworkBuilder(
                [("embedding", ct.models.datatypes.Array(width))],
                [("probabilities", None)],
                mode="classifier",
                use_float_arraytype=True,
            )
            builder.add_inner_product(
                "classifier",
                layer.weight.detach().numpy(),
                layer.bias.detach().numpy(),
                width,
                count,
                has_bias=True,
                input_name="embedding",
                output_name="logits",
            )
            builder.add_softmax("softmax", input_name="logits", output_name="probabilities")
            builder.set_class_labels(list(task.labels), predicted_feature_name="label", prediction_blob="probabilities")
            builder.make_updatable(["classifier"])
            builder.set_categorical_cross_entropy_loss("loss", "probabilities")
            self._set_optimizer(builder, ct.models.neural_network)
            builder.set_epochs(self.epochs, list(self.epoch_choices))
            builder.set_shuffle(self.seed)
        spec = builder.spec
        spec.description.metadata.shortDescription = f"Predicts {task.name}, and learns from the user's corrections"
        return UpdatableHead(task.name, spec)

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
