"""Deployment targets: which system has what it takes to run a model's stored weights."""

from __future__ import annotations

from torch import nn

from goalkit.errors import ConfigurationError
from goalkit.weights.contract import TARGETS
from goalkit.weights.parameters import stored_weights


def check_target(model: nn.Module, target: str) -> None:
    """Check that a system has every form in which the weights of `model` are stored.

    Args:
        model: any module.
        target: one of `TARGETS`.

    Raises:
        ConfigurationError: it lacks one; the message names the oldest system that has it.
    """
    for name, _, storage in stored_weights(model):
        if TARGETS.index(oldest := storage.form.oldest_target) > TARGETS.index(target):
            raise ConfigurationError(
                f"{name} is stored as {storage.form}, which {target} does not have: choose deployment_target='{oldest}', or "
                "another compression"
            )
