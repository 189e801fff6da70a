"""Base class of compression techniques, and their context: what they may use besides the model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from goalkit.errors import ConfigurationError
from goalkit.model import GoalModel
from goalkit.teacher import Teacher
from goalkit.weights import TARGETS

if TYPE_CHECKING:
    from goalkit.datasets import Splits


@attrs.frozen(kw_only=True)
class CompressionContext:
    """What techniques may use besides the model. Each technique raises an error if something that it needs is missing.

    Args:
        splits: labelled texts: `train` to learn from, `validation` to choose by; `test` is not used.
        texts: unlabelled texts.
        teacher: a model to learn from.
        folder: where the technique keeps its state, to be resumed.
        seed: for all random numbers.
        progress: show progress bars.
    """

    splits: Splits | None = None
    texts: Sequence[str] = ()
    teacher: Teacher | None = None
    folder: Path | None = None
    seed: int = 0
    progress: bool = True

    def require(self, name: str, technique: Technique) -> Any:
        """Return the field called `name`. Raises ConfigurationError, which says what to give, if it is missing."""
        value = getattr(self, name)
        if value is None or value == ():
            raise ConfigurationError(f"the technique {technique.name!r} needs {name}: give {name}= to Compressor.compress")
        return value


@attrs.frozen(kw_only=True)
class Technique(ABC):
    """A way to make a model smaller, with its settings; found by name through the entry-point group `goalkit.compression`.

    A technique is a frozen, keyword-only attrs class, and its package declares it in its entry points:

        @attrs.frozen(kw_only=True)
        class MyTechnique(Technique):
            name = "my-technique"
            strength: float = attrs.field(default=0.5, validator=between(0, 1))

            def apply(self, model, context): ...

        [options.entry_points]
        goalkit.compression =
            my-technique = my_package.my_module:MyTechnique
    """

    name: ClassVar[str]
    """The name of the entry point."""

    @property
    def oldest_target(self) -> str:
        """The oldest deployment target, one of `goalkit.weights.TARGETS`, that has what the technique makes of a model."""
        return TARGETS[0]

    def __str__(self) -> str:
        fields = attrs.fields(type(self))
        given = {each.name: getattr(self, each.name) for each in fields if getattr(self, each.name) != each.default}
        return self.name + (f"({', '.join(f'{name}={value}' for name, value in given.items())})" if given else "")

    @abstractmethod
    def apply(self, model: GoalModel, context: CompressionContext) -> GoalModel:
        """Return a smaller model; the given one is not changed.

        Raises:
            ConfigurationError: the context lacks something, or the technique cannot compress the model.
        """
