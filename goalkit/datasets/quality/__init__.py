"""The quality report: check labelled texts before training."""

from goalkit.datasets.quality.inspection import quality_report
from goalkit.datasets.quality.limits import GOAL_LIMITS, QualityLimits
from goalkit.datasets.quality.report import Check, QualityReport

__all__ = ["GOAL_LIMITS", "Check", "QualityLimits", "QualityReport", "quality_report"]
