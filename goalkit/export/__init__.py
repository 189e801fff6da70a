"""Export: converts a trained model to the bundle that an app ships, and executes exported files on this machine.

Does not depend on goalkit's datasets, training or compression.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from goalkit.export.bundle import Bundle
    from goalkit.export.exporter import CoreMLExporter
    from goalkit.export.gates import Gates
    from goalkit.export.hints import Hints
    from goalkit.export.replay import Replay
    from goalkit.export.report import VerificationReport
    from goalkit.export.rescaling import rescale_for_half_precision
    from goalkit.export.runtime import load_model
    from goalkit.export.updatable import (
        CorrectionGate,
        NeighboursHeadBuilder,
        Rehearsal,
        UpdatableHead,
        UpdatableHeadBuilder,
        rehearse_update,
        validate_updatable,
        write_updatable_pipeline,
    )

_HOMES = {
    "Bundle": "bundle",
    "CoreMLExporter": "exporter",
    "CorrectionGate": "updatable",
    "Gates": "gates",
    "Hints": "hints",
    "NeighboursHeadBuilder": "updatable",
    "Rehearsal": "updatable",
    "Replay": "replay",
    "UpdatableHead": "updatable",
    "UpdatableHeadBuilder": "updatable",
    "VerificationReport": "report",
    "load_model": "runtime",
    "rehearse_update": "updatable",
    "rescale_for_half_precision": "rescaling",
    "validate_updatable": "updatable",
    "write_updatable_pipeline": "updatable",
}

__all__ = [
    "Bundle",
    "CoreMLExporter",
    "CorrectionGate",
    "Gates",
    "Hints",
    "NeighboursHeadBuilder",
    "Rehearsal",
    "Replay",
    "UpdatableHead",
    "UpdatableHeadBuilder",
    "VerificationReport",
    "load_model",
    "rehearse_update",
    "rescale_for_half_precision",
    "validate_updatable",
    "write_updatable_pipeline",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"goalkit.export.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'goalkit.export' has no attribute {name!r}")
