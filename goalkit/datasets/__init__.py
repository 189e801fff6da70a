"""Datasets: reading, cleaning and splitting goal texts."""

from goalkit.datasets.dataset import Dataset
from goalkit.datasets.skeleton import skeleton
from goalkit.datasets.splits import Splits

__all__ = ["Dataset", "Splits", "skeleton"]
