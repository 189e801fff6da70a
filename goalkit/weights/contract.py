"""Base classes of stored forms: the settings, saved with the model, and the module that computes a weight."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar, Generic, Self, TypeVar

import attrs
from torch import Tensor, nn

TARGETS = ("iOS16", "iOS17", "iOS18")
"""Deployment targets, the oldest first: the oldest system that must run a package."""


@attrs.frozen(kw_only=True)
class Form:
    """The settings of a form, which determine the shapes of a saved weight's tensors. Subclasses add theirs.

    Settings with their default value are not written, so a later version may add settings without changing the schema.
    """

    form: ClassVar[str]
    """The name of the form in a saved model's `config.json`."""

    @property
    def oldest_target(self) -> str:
        """The oldest deployment target, one of `TARGETS`, that has operations for this form."""
        return TARGETS[0]

    def __str__(self) -> str:
        return self.form


F = TypeVar("F", bound=Form)


class StoredWeight(nn.Module, ABC, Generic[F]):
    """Computes a weight from the stored tensor that replaces it (`kept`) and from buffers of this module.

    It is a torch parametrisation. Its translation to Core ML is in goalkit.export.metadata.

    Args:
        form: the settings.
    """

    def __init__(self, form: F) -> None:
        super().__init__()
        self.form = form

    @abstractmethod
    def forward(self, kept: Tensor) -> Tensor:
        """Compute the weight, float [rows, columns], from `kept`, whose shape depends on the form."""

    @abstractmethod
    def integers(self, kept: Tensor) -> Iterable[tuple[Tensor, int]]:
        """Return the integers that an exported package must hold unchanged, int8 or uint8, each with its number of bits."""

    @classmethod
    @abstractmethod
    def builds(cls, form: F) -> bool:
        """Whether this version supports the form with these settings."""

    @classmethod
    @abstractmethod
    def empty(cls, form: F, shape: tuple[int, int]) -> tuple[Tensor, Self]:
        """Return `kept` and module for a weight [rows, columns], to be filled by `load_state_dict`."""
