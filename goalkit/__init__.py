"""goalkit turns Chinese daily goals into a small model that runs, and keeps learning, on an iPhone."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from goalkit.compress import Compressor
    from goalkit.datasets import Dataset, Splits
    from goalkit.errors import GoalkitError
    from goalkit.export import Bundle, CoreMLExporter, UpdatableHeadBuilder
    from goalkit.model import GoalModel
    from goalkit.tasks import GOAL_TASKS, Task
    from goalkit.training import Trainer

_HOMES = {
    "Bundle": "goalkit.export",
    "Compressor": "goalkit.compress",
    "CoreMLExporter": "goalkit.export",
    "Dataset": "goalkit.datasets",
    "GOAL_TASKS": "goalkit.tasks",
    "GoalModel": "goalkit.model",
    "GoalkitError": "goalkit.errors",
    "Splits": "goalkit.datasets",
    "Task": "goalkit.tasks",
    "Trainer": "goalkit.training",
    "UpdatableHeadBuilder": "goalkit.export",
}

__all__ = [
    "GOAL_TASKS",
    "Bundle",
    "Compressor",
    "CoreMLExporter",
    "Dataset",
    "GoalModel",
    "GoalkitError",
    "Splits",
    "Task",
    "Trainer",
    "UpdatableHeadBuilder",
]


def __getattr__(name: str) -> Any:
    # PEP 562: torch, transformers and coremltools take seconds to import, so each name is fetched when first used
    if name == "__version__":
        from importlib.metadata import version

        return version("goalkit")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'goalkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
