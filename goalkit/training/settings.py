"""What decides a training."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from goalkit.configuration import between, one_of


@attrs.frozen(kw_only=True)
class TrainingSettings:
    """How to learn, what to learn from it, and when to stop.

    Args:
        epochs: the most passes over the training rows.
        learning_rate: the peak; 5e-4 suits small models trained from scratch, 2e-5 to 1e-4 pre-trained ones.
        batch_size: rows per batch.
        batch_tokens: instead of `batch_size`, the most tokens a batch may have with its padding.
        accumulation: batches whose gradients are added up per step.
        optimizer: "adamw" (Loshchilov & Hutter, 2019, arXiv 1711.05101), or "sgd" with `momentum`.
        momentum: of SGD.
        weight_decay: on matrices only.
        schedule: how the rate falls after its climb: "linear" or "cosine", to zero, or "constant", not at all.
        warmup: share of all steps in which the rate climbs to its peak.
        layer_decay: factor of the rate from each layer to the one below (Clark et al., 2020, arXiv 2003.10555); 1 for none.
        frozen_layers: embeddings and this many of the lowest layers stay as they are; all of them leaves only the heads.
        dropout: rate of all dropout layers; none for the backbone's own.
        label_smoothing: share of the truth that is spread over all labels.
        class_weights: "balanced" weighs labels by the inverse of their frequency, "none" alike.
        task_weights: weight of a task's loss, where it is not 1.
        clip_norm: the gradients of a step are scaled down to this norm.
        metric: by which epochs are compared on the validation rows: "macro_f1" or "accuracy", the mean over tasks, or "loss".
        patience: stop after this many epochs without a better one.
        calibrate: fit a temperature per task on the validation rows and fold it into the head; see
            `goalkit.evaluation.calibrate`.
        max_length: longer texts are cut to this many tokens.
        seed: of row order and dropout; the same seed on the same machine gives the same weights.
        precision: "float32", "bfloat16", or "auto" for bfloat16 where the device multiplies it natively.
    """

    epochs: int = attrs.field(default=5, validator=between(1, whole=True))
    learning_rate: float = attrs.field(default=1e-4, validator=between(0, 1, above=True))
    batch_size: int = attrs.field(default=16, validator=between(1, whole=True))
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
