"""Optimization: frozen weights, optimizers, and learning rate schedules."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from goalkit.errors import TrainingError
from goalkit.model import GoalModel
from goalkit.training.settings import TrainingSettings


@contextmanager
def frozen(model: GoalModel, layers: int, *, heads: bool = False) -> Iterator[None]:
    """Freeze parts of a model while the block runs.

    Args:
        model: the model.
        layers: number of lowest layers to freeze, together with the embeddings; 0 freezes neither. If it covers all layers,
            the whole encoder is frozen.
        heads: whether to freeze the heads.

    Raises:
        TrainingError: the encoder has fewer layers than `layers`.
    """
    parameters = dict(model.named_parameters())
    before = {name: parameter.requires_grad for name, parameter in parameters.items()}
    fixed = {name for name in parameters if heads and not name.startswith("encoder.")}
    if layers:
        anatomy = model.encoder.anatomy()
        if layers > len(anatomy.layers):
            raise TrainingError(f"frozen_layers is {layers}, the maximum for this encoder is {len(anatomy.layers)}: lower it")
        depths = anatomy.depths(model)
        everything = layers == len(anatomy.layers)
        fixed |= {name for name in parameters if depths[name] <= layers or (everything and name.startswith("encoder."))}
    try:
        for name in fixed:
            parameters[name].requires_grad_(False)
        yield
    finally:
        for name, parameter in parameters.items():
            parameter.requires_grad_(before[name])


def build_optimizer(model: GoalModel, settings: TrainingSettings) -> torch.optim.Optimizer:
    """Build the optimizer of a model's trainable parameters.

    Parameters are grouped by depth, for layer-wise learning rates, and by shape, because weight decay applies only to matrices.
    The `scale` of a group is the factor of its learning rate.
    """
    groups: dict[tuple[int, bool], list[nn.Parameter]] = defaultdict(list)
    depths = model.encoder.anatomy().depths(model) if settings.layer_decay < 1 else {}
    top = max(depths.values(), default=0)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups[depths.get(name, top), parameter.ndim > 1].append(parameter)
    described = [
        {
            "params": members,
            "weight_decay": settings.weight_decay if matrices else 0.0,
            "scale": settings.layer_decay ** (top - depth),
        }
        for (depth, matrices), members in groups.items()
    ]
    if settings.optimizer == "sgd":
        return torch.optim.SGD(described, lr=settings.learning_rate, momentum=settings.momentum, fused=True)
    return torch.optim.AdamW(described, lr=settings.learning_rate, fused=True)


def rate_factor(settings: TrainingSettings, step: int, steps: int) -> float:
    """Return the factor of the peak learning rate at a step: a linear warm-up, followed by the schedule of the settings.

    Args:
        settings: the warm-up and the schedule.
        step: number of the step, from 0.
        steps: total number of steps.
    """
    warm = max(1, round(settings.warmup * steps))
    if step < warm:
        return (step + 1) / warm
    done = min(1.0, (step - warm) / max(1, steps - warm))
    if settings.schedule == "constant":
        return 1.0
    return 1 - done if settings.schedule == "linear" else (1 + math.cos(math.pi * done)) / 2


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of each group to `rate` times the scale of the group."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["scale"]
