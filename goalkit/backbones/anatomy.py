"""Anatomy: which modules of an encoder are its embeddings, its layers and its last normalisation.

Names differ from one architecture to the next, and the order in which modules are defined need not be the one in which they
run. So an encoder is run once on made-up texts, and its parts are recognised by their structure and by when they are called.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from itertools import count
from typing import Any

import attrs
import torch
from torch import Tensor, nn

from goalkit.errors import ModelError


@attrs.frozen(eq=False)
class Anatomy:
    """The parts of an encoder, as modules of that very encoder.

    Args:
        embeddings: what runs before the first layer.
        layers: from the lowest to the highest; a layer that is applied several times, as in ALBERT, is listed once.
        after: what runs after the last layer.
        last_normalization: the last module with a weight and a bias of the encoder's width, each float [H]; None without one.
        words: the table of the vocabulary, which is looked up by token ids; None if it is no `torch.nn.Embedding`.
    """

    embeddings: tuple[nn.Module, ...]
    layers: tuple[nn.Module, ...]
    after: tuple[nn.Module, ...]
    last_normalization: nn.Module | None
    words: nn.Embedding | None = None

    def depths(self, model: nn.Module) -> dict[str, int]:
        """How deep each parameter of `model`, which contains the encoder, lies.

        0 for the embeddings, 1 to n for the n layers, n + 1 for everything else.
        """
        owners = {id(parameter): 0 for module in self.embeddings for parameter in module.parameters()}
        for number, layer in enumerate(self.layers, 1):
            owners |= {id(parameter): number for parameter in layer.parameters()}
        return {name: owners.get(id(parameter), len(self.layers) + 1) for name, parameter in model.named_parameters()}


def attention_of(layer: nn.Module) -> nn.Module | None:
    """The module of a layer in which tokens look at each other, by the name of its class; None without one."""
    return next((module for module in layer.modules() if "attention" in type(module).__name__.lower()), None)


def find_anatomy(encoder: nn.Module, input_ids: Tensor, attention_mask: Tensor, width: int) -> Anatomy:
    """The anatomy of an encoder, found by running it once.

    Its layers are the items of the `torch.nn.ModuleList` with the most parameters of all those whose items run.

    Args:
        encoder: called with ids, mask and length, as `Encoder.forward` is.
        input_ids: int64 [N, S].
        attention_mask: float [N, S].
        width: H, the size of its hidden states.

    Raises:
        ModelError: part of each layer is outside the list.
    """
    began, ended, words = _calls(encoder, input_ids, attention_mask)
    layers = _layers(encoder, began)
    first = min((began[layer] for layer in layers), default=ended[encoder])
    last = max((ended[layer] for layer in layers), default=first)
    around: dict[str, list[nn.Module]] = {"before": [], "between": [], "after": []}
    for module in _outermost(encoder, set(layers)):
        begin = began.get(module, first - 1)  # what is never called, such as a table that layers look up, is ready before them
        around["before" if begin < first else "between" if begin < last else "after"].append(module)
    if len(layers) > 1 and (strange := [each for each in around["between"] if any(True for _ in each.parameters())]):
        raise ModelError(
            f"{type(strange[0]).__name__} runs between the layers of {type(encoder).__name__} and is in none of them: "
            "override Encoder.anatomy to say which modules are its parts"
        )
    normalizations = [module for module in ended if _normalizes(module, width)]
    return Anatomy(
        embeddings=tuple(around["before"]),
        layers=layers,
        after=tuple(around["after"]),
        last_normalization=max(normalizations, key=ended.__getitem__, default=None),
        words=words,
    )


@torch.no_grad()
def _calls(
    encoder: nn.Module, input_ids: Tensor, attention_mask: Tensor
) -> tuple[dict[nn.Module, int], dict[nn.Module, int], nn.Embedding | None]:
    """When each module that runs is first called, when it last returns, and which table is looked up by the ids."""
    clock = count()
    began: dict[nn.Module, int] = {}
    ended: dict[nn.Module, int] = {}
    tables: list[nn.Embedding] = []

    def enter(module: nn.Module, arguments: Any) -> None:
        began.setdefault(module, next(clock))
        looked_up = arguments[0] if arguments else None  # no tensor, but a shape, in RoFormer's table of positions
        if (
            isinstance(module, nn.Embedding)
            and isinstance(looked_up, Tensor)
            and torch.equal(looked_up.long(), input_ids.long())
        ):
            tables.append(module)

    def leave(module: nn.Module, arguments: Any, result: Any) -> None:
        ended[module] = next(clock)

    training = encoder.training
    with ExitStack() as hooks:
        for module in encoder.modules():
            hooks.callback(module.register_forward_pre_hook(enter).remove)
            hooks.callback(module.register_forward_hook(leave).remove)
        try:
            encoder.eval()(input_ids, attention_mask, input_ids.shape[1])
        finally:
            encoder.train(training)
    return began, ended, tables[0] if tables else None


def _layers(encoder: nn.Module, began: Mapping[nn.Module, int]) -> tuple[nn.Module, ...]:
    lists = [module for module in encoder.modules() if isinstance(module, nn.ModuleList)]
    run = [tuple(items) for items in lists if len(items) and all(item in began for item in items)]
    most = max(run, key=lambda items: sum(each.numel() for item in items for each in item.parameters()), default=())
    return tuple(sorted(most, key=began.__getitem__))


def _outermost(module: nn.Module, layers: set[nn.Module]) -> Iterator[nn.Module]:
    """The largest modules that neither are nor contain a layer."""
    for child in module.children():
        if layers.isdisjoint(child.modules()):
            yield child
        elif child not in layers:
            yield from _outermost(child, layers)


def _normalizes(module: nn.Module, width: int) -> bool:
    parameters = dict(module.named_parameters(recurse=False))
    return set(parameters) == {"weight", "bias"} and all(each.shape == (width,) for each in parameters.values())
