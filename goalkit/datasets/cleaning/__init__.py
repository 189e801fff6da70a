"""Cleaning: normalise texts, drop bad rows, and record each change."""

from goalkit.datasets.cleaning.changes import Change, Cleaning, Dropped
from goalkit.datasets.cleaning.cleaner import Cleaner, clean_text

__all__ = ["Change", "Cleaner", "Cleaning", "Dropped", "clean_text"]
