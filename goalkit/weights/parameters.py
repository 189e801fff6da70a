"""Stored forms of a module's parameters: set, restore and find them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from goalkit.weights.contract import StoredWeight


def store_as(module: nn.Module, parameter: str, kept: Tensor, storage: StoredWeight[Any]) -> None:
    """Replace a float parameter of `module` by its stored form: the tensor `kept`, from which `storage` computes it."""
    with torch.no_grad():
        delattr(module, parameter)
        module.register_parameter(parameter, nn.Parameter(kept, requires_grad=False))
        # unsafe: the parametrised weight is float, while the stored one may be integer or of another shape
        parametrize.register_parametrization(module, parameter, storage, unsafe=True)


def restore_float(module: nn.Module, parameter: str) -> None:
    """Undo `store_as`: the parameter is float again, with the values of its stored form."""
    value = getattr(module, parameter).detach().clone()
    # torch's remove_parametrizations edits the class, which deep copies of the module share; this does not change the class
    del module.parametrizations
    module.__class__ = type(module).__bases__[0]
    module.register_parameter(parameter, nn.Parameter(value, requires_grad=False))


def stored_weights(model: nn.Module) -> Iterator[tuple[str, nn.Module, StoredWeight[Any]]]:
    """Yield all modules whose `weight` is in a stored form: name of the module, the module, the stored weight."""
    for name, module in model.named_modules():
        if parametrize.is_parametrized(module, "weight"):
            storage = module.parametrizations["weight"][0]
            if isinstance(storage, StoredWeight):
                yield name, module, storage


def restore_floats(model: nn.Module) -> None:
    """Make all weights of a model float again that are in a stored form, with the values of that form."""
    for _, module, _ in list(stored_weights(model)):
        restore_float(module, "weight")
    model.requires_grad_()


def kept_tensor(module: nn.Module) -> Tensor:
    """Return the stored tensor of the `weight` of such a module."""
    kept: Tensor = module.parametrizations["weight"].original  # type: ignore[index,union-attr]
    return kept
