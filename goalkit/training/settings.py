"""Settings of a training run."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from goalkit.configuration import between, one_of

FEWEST_EPOCHS, MOST_EPOCHS, ENOUGH_STEPS = 4, 16, 500
"""What the default number of epochs follows from; docs/benchmarks.md has the fits that it was chosen by."""


@attrs.frozen(kw_only=True)
class TrainingSettings:
    """Settings of a training run: optimization, regularisation, and when to stop.

    Args:
        epochs: maximum number of passes over the training rows; by default 4, or with few rows as many as it takes to make 500
            steps, but at most 16.
        learning_rate: peak learning rate; 4e-4 suits tiny-bert's weights, 5e-4 random ones, 2e-5 to 1e-4 larger encoders.
        batch_size: number of rows per batch.
        batch_tokens: maximum number of tokens per batch, including padding; replaces `batch_size` if given.
        accumulation: number of batches whose gradients are accumulated in each step.
        optimizer: "adamw" (Loshchilov & Hutter, 2019, arXiv 1711.05101), or "sgd" with `momentum`.
        momentum: momentum of SGD.
        weight_decay: weight decay, applied to matrices only.
        schedule: learning rate after the warm-up: "linear" or "cosine" decay to zero, or "constant".
        warmup: share of all steps in which the learning rate rises linearly to its peak.
        layer_decay: factor of the learning rate from each layer to the one below (Clark et al., 2020, arXiv 2003.10555); 1
            disables it.
        frozen_layers: number of lowest layers to freeze, together with the embeddings; if it covers all layers, only the heads
            are trained.
        dropout: rate of all dropout layers; None keeps the backbone's own rates.
        label_smoothing: share of the target probability that is spread evenly over all labels.
        class_weights: "balanced" weights labels by their inverse frequency, "none" weights them equally.
        task_weights: weights of the losses of tasks, by name; 1 for a task that is not listed.
        clip_norm: maximum norm of the gradients of a step; larger gradients are scaled down.
        metric: metric on the validation rows that selects the best epoch: "macro_f1" or "accuracy", the mean over tasks, or
            "loss".
        patience: number of epochs without improvement after which training stops.
        calibrate: fit a temperature per task on the validation rows and fold it into the head; see
            `goalkit.evaluation.calibrate`.
        max_length: maximum number of tokens per text; longer texts are cut.
        seed: seed of row order and dropout; the same seed on the same machine gives the same weights.
        precision: "float32", "bfloat16", or "auto": bfloat16 if the device supports it natively, else float32.
    """

    epochs: int | None = attrs.field(default=None, validator=attrs.validators.optional(between(1, whole=True)))
    learning_rate: float = attrs.field(default=4e-4, validator=between(0, 1, above=True))
    batch_size: int = attrs.field(default=32, validator=between(1, whole=True))
    batch_tokens: int | None = attrs.field(default=None, validator=attrs.validators.optional(between(3, whole=True)))
    accumulation: int = attrs.field(default=1, validator=between(1, whole=True))
    optimizer: str = attrs.field(default="adamw", validator=one_of("adamw", "sgd"))
    momentum: float = attrs.field(default=0.9, validator=between(0, 1))
    weight_decay: float = attrs.field(default=0.01, validator=between(0, 1))
    schedule: str = attrs.field(default="linear", validator=one_of("linear", "cosine", "constant"))
    warmup: float = attrs.field(default=0.1, validator=between(0, 1))
    layer_decay: float = attrs.field(default=1.0, validator=between(0, 1, above=True))
    frozen_layers: int = attrs.field(default=0, validator=between(0, whole=True))
    dropout: float | None = attrs.field(default=None, validator=attrs.validators.optional(between(0, 0.9)))
    label_smoothing: float = attrs.field(default=0.0, validator=between(0, 0.9))
    class_weights: str = attrs.field(default="none", validator=one_of("none", "balanced"))
    task_weights: Mapping[str, float] = attrs.field(factory=dict)
    clip_norm: float = attrs.field(default=1.0, validator=between(0, above=True))
    metric: str = attrs.field(default="macro_f1", validator=one_of("macro_f1", "accuracy", "loss"))
    patience: int = attrs.field(default=3, validator=between(1, whole=True))
    calibrate: bool = True
    max_length: int = attrs.field(default=128, validator=between(3, whole=True))
    seed: int = attrs.field(default=0, validator=between(0, 2**32 - 1, whole=True))
    precision: str = attrs.field(default="auto", validator=one_of("auto", "float32", "bfloat16"))

    def epochs_of(self, steps: int) -> int:
        """Return the maximum number of passes, each of so many steps."""
        return self.epochs or min(max(FEWEST_EPOCHS, -(-ENOUGH_STEPS // steps)), MOST_EPOCHS)
