"""The two optimizers that Core ML trains with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import attrs
import numpy as np
import numpy.typing as npt

from goalkit.export.updatable.parameters import chosen

Array = npt.NDArray[np.float32]
Step = Callable[[Sequence[Array]], None]
"""Takes a gradient per weight, and updates the weights in place."""


class Optimizer(ABC):
    """An optimizer with its hyperparameters."""

    parameters: ClassVar[tuple[str, ...]]

    @abstractmethod
    def start(self, weights: Sequence[Array]) -> Step:
        """Start training these weights; returns the function for one step."""


@attrs.frozen
class SGD(Optimizer):
    """Stochastic gradient descent with momentum."""

    parameters = ("learningRate", "momentum")
    learning_rate: float
    momentum: float

    def start(self, weights: Sequence[Array]) -> Step:
        """See `Optimizer.start`."""
        velocities = [np.zeros_like(weight) for weight in weights]

        def step(gradients: Sequence[Array]) -> None:
            for weight, velocity, gradient in zip(weights, velocities, gradients, strict=True):
                velocity *= np.float32(self.momentum)
                velocity += gradient
                weight -= np.float32(self.learning_rate) * velocity

        return step


@attrs.frozen
class Adam(Optimizer):
    """Adam (Kingma & Ba, 2015, arXiv 1412.6980, algorithm 1)."""

    parameters = ("learningRate", "beta1", "beta2", "eps")
    learning_rate: float
    beta1: float
    beta2: float
    epsilon: float

    def start(self, weights: Sequence[Array]) -> Step:
        """See `Optimizer.start`."""
        firsts = [np.zeros_like(weight) for weight in weights]
        seconds = [np.zeros_like(weight) for weight in weights]
        steps = 0

        def step(gradients: Sequence[Array]) -> None:
            nonlocal steps
            steps += 1
            for weight, first, second, gradient in zip(weights, firsts, seconds, gradients, strict=True):
                first += np.float32(1 - self.beta1) * (gradient - first)
                second += np.float32(1 - self.beta2) * (gradient * gradient - second)
                corrected = np.sqrt(second / np.float32(1 - self.beta2**steps)) + np.float32(self.epsilon)
                weight -= np.float32(self.learning_rate / (1 - self.beta1**steps)) * first / corrected

        return step


_KINDS: dict[str, type[SGD] | type[Adam]] = {"sgdOptimizer": SGD, "adamOptimizer": Adam}


def read_optimizer(message: Any, parameters: Mapping[str, float]) -> Optimizer:
    """Read the optimizer from a network's update parameters; `parameters` override the file's defaults, as an app may do.

    Raises:
        ConfigurationError: the file does not allow a value.
    """
    name = message.WhichOneof("OptimizerType")
    kind, saved = _KINDS[name], getattr(message, name)
    return kind(*(chosen(each, getattr(saved, each), parameters.get(each)) for each in kind.parameters))
