"""Dropout at the price of an eighth of the random numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

STEPS = 256


class ByteDropout(nn.Dropout):
    """Dropout that decides eight elements by one random number of 64 bits, a byte each.

    Drawing one number per element takes a sixth of a small model's step on a CPU. The rate is rounded to 1/256, and the
    kept elements are scaled by what that rate really is.
    """

    def forward(self, states: Tensor) -> Tensor:
        """See `torch.nn.Dropout`."""
        dropped = round(self.p * STEPS)
        if not self.training or not dropped:
            return states
        words = torch.empty(-(-states.numel() // 8), dtype=torch.int64).random_(-(2**63), None)
        chosen = words.view(torch.uint8)[: states.numel()].view(states.shape) >= dropped
        return states * chosen.to(states.dtype).mul_(STEPS / (STEPS - dropped))


@contextmanager
def fast_dropout(model: nn.Module, rate: float | None) -> Iterator[None]:
    """While the block runs, `model` drops out at `rate`, if one is given, and by bytes where it is on the CPU."""
    layers = [module for module in model.modules() if type(module) is nn.Dropout]
    rates = [layer.p for layer in layers]
    on_cpu = all(parameter.device.type == "cpu" for parameter in model.parameters())
    try:
        for layer in layers:
            layer.p = layer.p if rate is None else rate
            layer.__class__ = ByteDropout if on_cpu else nn.Dropout
        yield
    finally:
        for layer, before in zip(layers, rates, strict=True):
            layer.p, layer.__class__ = before, nn.Dropout
