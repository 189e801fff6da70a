"""Datasets: read, clean, check and split labelled texts."""

from goalkit.extras import extra

with extra("data"):
    from goalkit.datasets.cleaning import Cleaner, Cleaning
    from goalkit.datasets.dataset import Dataset
    from goalkit.datasets.duplicates import duplicate_groups, near_duplicates
    from goalkit.datasets.quality import GOAL_LIMITS, QualityLimits, QualityReport, quality_report
    from goalkit.datasets.rewriting import clean_file
    from goalkit.datasets.skeleton import skeleton
    from goalkit.datasets.splits import Splits

__all__ = [
    "GOAL_LIMITS",
    "Cleaner",
    "Cleaning",
    "Dataset",
    "QualityLimits",
    "QualityReport",
    "Splits",
    "clean_file",
    "duplicate_groups",
    "near_duplicates",
    "quality_report",
    "skeleton",
]
