"""What a stored form is: its settings, saved with the model, and the module that computes a weight from what is kept of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar, Generic, Self, TypeVar

import attrs
from torch import Tensor, nn


@attrs.frozen(kw_only=True)
class Form:
    """The settings of a form, from which room is made for the tensors of a saved weight. Subclasses add theirs.

    Settings that have their default value are not written, so a later version may add some without another schema.
    """

    form: ClassVar[str]
    """The name of the form in a saved model's `config.json`."""

    def __str__(self) -> str:
        return self.form


F = TypeVar("F", bound=Form)


class StoredWeight(nn.Module, ABC, Generic[F]):
    """How a weight is computed from the one tensor that stands in its place (`kept`) and from buffers of this module.

    It is a torch parametrisation. Core ML's name for it is the matter of goalkit.export.metadata.

    Args:
        form: the settings.
    """

    def __init__(self, form: F) -> None:
        super().__init__()
        self.form = form

    @abstractmethod
    def forward(self, kept: Tensor) -> Tensor:
        """What is kept, of whatever shape, to the weight, float [rows, columns]."""

    @abstractmethod
    def integers(self, kept: Tensor) -> Iterable[tuple[Tensor, int]]:
        """Small integers that an exported package must hold unchanged, int8 or uint8, each with its number of bits."""

    @classmethod
    @abstractmethod
    def builds(cls, form: F) -> bool:
        """Whether this version can build that form with those settings."""

    @classmethod
    @abstractmethod
    def empty(cls, form: F, shape: tuple[int, int]) -> tuple[Tensor, Self]:
        """`kept` and module for a weight [rows, columns], to be filled by `load_state_dict`."""
