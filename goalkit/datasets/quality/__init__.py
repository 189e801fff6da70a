"""The quality report: what is wrong with labelled texts, measured before anything is trained on them."""

from goalkit.datasets.quality.inspection import quality_report
from goalkit.datasets.quality.limits import QualityLimits
from goalkit.datasets.quality.report import Check, QualityReport

__all__ = ["Check", "QualityLimits", "QualityReport", "quality_report"]
