"""Importance of attention heads and feed-forward columns, and the choice of those to keep."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm.auto import tqdm

from goalkit.backbones.transformer_layer import transformer_layers
from goalkit.errors import ConfigurationError
from goalkit.model import GoalModel

BATCH = 32


def unit_importance(model: GoalModel, texts: Sequence[str], *, progress: bool) -> tuple[list[Tensor], list[Tensor]]:
    """Measure how much the model's predictions depend on each attention head and each feed-forward column.

    The importance is the magnitude of the gradient of a loss by a factor of 1 before each unit, on average over texts: to
    first order, the change of the loss if the unit were left out (Michel et al., 2019, arXiv 1905.10650; Molchanov et al.,
    2019, arXiv 1906.10771). The loss is the cross-entropy with the labels that the model itself predicts, so that texts need
    no labels. A unit without effect has an importance of 0.

    Args:
        model: not compressed; it is not changed.
        texts: at least one.
        progress: show a progress bar.

    Returns:
        For each layer, float [heads], and for each layer, float [columns].

    Raises:
        ConfigurationError: see `goalkit.backbones.transformer_layer.transformer_layers`.
    """
    copy = model.copy().requires_grad_(False).eval()
    layers = transformer_layers(copy.encoder)
    heads = [_Factors(layer.attention_output, layer.heads) for layer in layers]
    columns = [_Factors(layer.output, layer.columns) for layer in layers]
    device = next(copy.parameters()).device
    ordered = sorted(texts, key=len)
    for start in tqdm(range(0, len(ordered), BATCH), "importance", unit="batch", disable=not progress):
        batch = copy.tokenizer.encode(ordered[start : start + BATCH], longest=copy.encoder.max_length)
        ids, mask = torch.from_numpy(batch.input_ids).to(device), torch.from_numpy(batch.attention_mask).to(device)
        outputs = copy(ids, mask, ids.shape[1]).values()
        losses = [functional.cross_entropy(logits, logits.argmax(1), reduction="sum") for logits in outputs]
        torch.stack(losses).sum().backward()  # type: ignore[no-untyped-call]
        for each in (*heads, *columns):
            each.collect()
    return [each.magnitudes / len(texts) for each in heads], [each.magnitudes / len(texts) for each in columns]


class _Factors:
    """Factors of 1, one per text and unit, of what a linear layer reads; sums up the magnitudes of their gradients."""

    def __init__(self, layer: nn.Linear, units: int) -> None:
        self.magnitudes = torch.zeros(units, device=layer.weight.device)
        self.ones = self.magnitudes
        layer.register_forward_pre_hook(self._multiply)

    def _multiply(self, layer: nn.Linear, given: tuple[Tensor]) -> Tensor:
        units = len(self.magnitudes)
        self.ones = self.magnitudes.new_ones(len(given[0]), 1, units).requires_grad_()
        return given[0] * self.ones.repeat_interleave(layer.in_features // units, dim=2)

    def collect(self) -> None:
        assert self.ones.grad is not None
        self.magnitudes += self.ones.grad[:, 0].abs().sum(0)


def most_important(importance: Sequence[Tensor], amount: float, step: int, noun: str) -> list[Tensor]:
    """Choose which units of each layer to keep; their number is a multiple of `step`, and at least that.

    In each layer, units form blocks of `step` by falling importance. Of the blocks of all layers, the least important ones are
    left out. What does not fill a block is left out, too.

    Args:
        importance: per layer float [units].
        amount: share of all blocks to leave out; 0 keeps all units.
        step: units per block.
        noun: what the units are called in messages.

    Returns:
        The numbers of the units to keep, per layer int64 [n], increasing.

    Raises:
        ConfigurationError: a layer has no whole block, or the share is none of the blocks or more than can be left out.
    """
    if not amount:
        return [torch.arange(len(each), device=each.device) for each in importance]
    if (fewest := min(map(len, importance))) < step:
        raise ConfigurationError(f"a layer has {fewest} {noun}, fewer than the {step} that must be left: give 0")
    orders = [each.argsort(descending=True, stable=True) for each in importance]
    ranked = [each[order] for each, order in zip(importance, orders, strict=True)]
    blocks = [each[: len(each) // step * step].reshape(-1, step).sum(1) for each in ranked]
    total, spare = sum(map(len, blocks)), torch.cat([each[1:] for each in blocks])
    number = round(amount * total)
    if not 0 < number <= len(spare):
        shares = f"give a share from {1 / total:.3f} to {len(spare) / total:.3f}, or 0" if len(spare) else "give 0"
        raise ConfigurationError(
            f"a share of {amount} is {number} of {total} blocks of {step} {noun}, and each layer keeps one: {shares}"
        )
    owners = torch.cat([torch.full((len(each) - 1,), layer) for layer, each in enumerate(blocks)])
    gone = owners[spare.argsort(stable=True)[:number].cpu()].bincount(minlength=len(blocks)).tolist()
    return [order[: (len(each) - left) * step].sort().values for order, each, left in zip(orders, blocks, gone, strict=True)]
