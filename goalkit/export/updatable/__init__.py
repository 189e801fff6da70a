"""The part of a model that learns on the phone: builds it, checks it, and rehearses its training on the desktop."""

from goalkit.export.updatable.gate import CorrectionGate
from goalkit.export.updatable.head import UpdatableHead, UpdatableHeadBuilder
from goalkit.export.updatable.neighbours import NeighboursHeadBuilder
from goalkit.export.updatable.pipeline import write_updatable_pipeline
from goalkit.export.updatable.rehearsal import Rehearsal, rehearse_update
from goalkit.export.updatable.validation import Violation, find_violations, validate_updatable

__all__ = [
    "CorrectionGate",
    "NeighboursHeadBuilder",
    "Rehearsal",
    "UpdatableHead",
    "UpdatableHeadBuilder",
    "Violation",
    "find_violations",
    "rehearse_update",
    "validate_updatable",
    "write_updatable_pipeline",
]
