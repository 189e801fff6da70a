"""Deployment targets: which system has what it takes to run a compressed model."""

from __future__ import annotations

from torch import nn

from goalkit.errors import ConfigurationError
from goalkit.weights.activations import quantised_inputs
from goalkit.weights.contract import TARGETS
from goalkit.weights.parameters import stored_weights


def check_target(model: nn.Module, target: str) -> None:
    """Check that a system has every form in which the weights of `model` are stored, and rounds inputs if the model does.

    Args:
        model: any module.
        target: one of `TARGETS`.

    Raises:
        ConfigurationError: it lacks one; the message names the oldest system that has it.
    """
    needed = [(f"{name} is stored as {storage.form}", storage.form.oldest_target) for name, _, storage in stored_weights(model)]
    needed += [(f"the input of {name} is quantised", each.oldest_target) for name, _, each in quantised_inputs(model)]
    for what, oldest in needed:
        if TARGETS.index(oldest) > TARGETS.index(target):
            raise ConfigurationError(
                f"{what}, which {target} does not have: choose deployment_target='{oldest}', or another compression"
            )
