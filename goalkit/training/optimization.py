"""Which weights learn, how fast, and by which optimizer."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import nn

from goalkit.errors import TrainingError
from goalkit.model import GoalModel

if TYPE_CHECKING:
    from goalkit.training.trainer import Trainer

_LAYER = re.compile(r"\.(\d+)\.")


def layer_depths(model: GoalModel) -> dict[str, int]:
    """How deep each parameter lies: 0 for embeddings, 1 to n for the encoder's layers, n + 1 for what comes behind them."""
    found = {name: _LAYER.search(name) for name, _ in model.encoder.named_parameters(prefix="encoder")}
    count = 1 + max((int(match[1]) for match in found.values() if match), default=-1)
    depths = {name: int(match[1]) + 1 if match else 0 if "embedding" in name else count + 1 for name, match in found.items()}
    return {name: depths.get(name, count + 1) for name, _ in model.named_parameters()}


@contextmanager
def frozen(model: GoalModel, layers: int) -> Iterator[None]:
    """While the block runs, embeddings and this many of the lowest layers stay as they are; all leaves only the heads.

    Raises:
        TrainingError: the encoder has fewer layers.
    """
    parameters = dict(model.named_parameters())
    before = {name: parameter.requires_grad for name, parameter in parameters.items()}
    depths = layer_depths(model)
    count = max(depths.values()) - 1
    if layers > count:
        raise TrainingError(f"frozen_layers is {layers}, the encoder has {count} layers: lower it")
    try:
        for name, parameter in parameters.items():
            behind = layers == count and name.startswith("encoder.")
            parameter.requires_grad_(before[name] and not (layers and (depths[name] <= layers or behind)))
        yield
    finally:
        for name, parameter in parameters.items():
            parameter.requires_grad_(before[name])


def build_optimizer(model: GoalModel, trainer: Trainer) -> torch.optim.Optimizer:
    """Groups by depth, for layer-wise rates, and by shape, as only matrices decay. Each group has its `scale` of the rate."""
    groups: dict[tuple[int, bool], list[nn.Parameter]] = defaultdict(list)
    depths = layer_depths(model)
    top = max(depths.values())
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups[depths[name] if trainer.layer_decay < 1 else top, parameter.ndim > 1].append(parameter)
    settings = [
        {
            "params": members,
            "weight_decay": trainer.weight_decay if matrices else 0.0,
            "scale": trainer.layer_decay ** (top - depth),
        }
        for (depth, matrices), members in groups.items()
    ]
    if trainer.optimizer == "sgd":
        return torch.optim.SGD(settings, lr=trainer.learning_rate, momentum=trainer.momentum, fused=True)
    return torch.optim.AdamW(settings, lr=trainer.learning_rate, fused=True)


def rate_factor(trainer: Trainer, step: int, steps: int) -> float:
    """The share of the peak rate at a step, from 0, of `steps`: a climb, then as `trainer.schedule` says."""
    warm = max(1, round(trainer.warmup * steps))
    if step < warm:
        return (step + 1) / warm
    done = min(1.0, (step - warm) / max(1, steps - warm))
    if trainer.schedule == "constant":
        return 1.0
    return 1 - done if trainer.schedule == "linear" else (1 + math.cos(math.pi * done)) / 2


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group its part of the rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["scale"]
