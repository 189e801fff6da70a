"""Which weights learn, how fast, and by which optimizer."""

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
    """While the block runs, embeddings and this many of the lowest layers stay as they are; so do heads, if asked.

    If all layers are frozen, so is everything else in the encoder.

    Raises:
        TrainingError: the encoder has fewer layers.
    """
    parameters = dict(model.named_parameters())
    before = {name: parameter.requires_grad for name, parameter in parameters.items()}
    still = {name for name in parameters if heads and not name.startswith("encoder.")}
    if layers:
        anatomy = model.encoder.anatomy()
        if layers > len(anatomy.layers):
            raise TrainingError(f"frozen_layers is {layers}, the encoder has {len(anatomy.layers)} layers: lower it")
        depths = anatomy.depths(model)
        everything = layers == len(anatomy.layers)
        still |= {name for name in parameters if depths[name] <= layers or (everything and name.startswith("encoder."))}
    try:
        for name in still:
            parameters[name].requires_grad_(False)
        yield
    finally:
        for name, parameter in parameters.items():
            parameter.requires_grad_(before[name])


def build_optimizer(model: GoalModel, settings: TrainingSettings) -> torch.optim.Optimizer:
    """Groups by depth, for layer-wise rates, and by shape, as only matrices decay. Each group has its `scale` of the rate."""
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
    """The share of the peak rate at a step, from 0, of `steps`: a linear warm-up, then as `settings.schedule` says."""
    warm = max(1, round(settings.warmup * steps))
    if step < warm:
        return (step + 1) / warm
    done = min(1.0, (step - warm) / max(1, steps - warm))
    if settings.schedule == "constant":
        return 1.0
    return 1 - done if settings.schedule == "linear" else (1 + math.cos(math.pi * done)) / 2


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group its part of the rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["scale"]
