"""Processes that train together, as detected by Hugging Face accelerate, for example under `torchrun`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import torch
from torch import Tensor, nn

from goalkit.extras import extra
from goalkit.training.batching import Places


@attrs.frozen
class Processes:
    """This process among those that train together.

    Args:
        rank: number of this process, from 0.
        count: number of processes.
        device: device on which this process computes.
    """

    rank: int
    count: int
    device: torch.device

    @classmethod
    def current(cls) -> Processes:
        """Return the processes of the current launch, joining the others if there are any."""
        with extra("train"):
            from accelerate import PartialState

        # without cpu=True, accelerate does not detect the other processes if there is no GPU
        state = PartialState(cpu=not (torch.cuda.is_available() or torch.backends.mps.is_available()))
        return cls(state.process_index, state.num_processes, state.device)

    @property
    def first(self) -> bool:
        """Whether this is the first process, which writes files and shows progress."""
        return self.rank == 0

    def share(self, places: Places) -> Places:
        """Return this process's share of the rows of a batch, which may be empty."""
        return places[self.rank :: self.count]

    def sum_gradients(self, parameters: Sequence[nn.Parameter], loss: Tensor) -> Tensor:
        """Sum gradients, in place, and the loss over all processes. Returns the summed loss."""
        if self.count == 1:
            return loss
        with extra("train"):
            from accelerate.utils import reduce

        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = torch.cat([loss.reshape(1), *(gradient.reshape(-1) for gradient in gradients)])
        total = reduce(flat, reduction="sum")
        parts = total[1:].split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))
        summed: Tensor = total[0]
        return summed

    def gather(self, found: Any) -> list[Any]:
        """Return the objects that the processes pass to this function, in the order of their ranks."""
        if self.count == 1:
            return [found]
        with extra("train"):
            from accelerate.utils import gather_object

        everything: list[Any] = gather_object([found])
        return everything

    def wait(self) -> None:
        """Wait until all processes have called this function."""
        if self.count > 1:
            with extra("train"):
                from accelerate import PartialState

            PartialState().wait_for_everyone()
