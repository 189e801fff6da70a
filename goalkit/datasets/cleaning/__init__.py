"""Cleaning: what is not the goal itself goes, and a log tells what went and why."""

from goalkit.datasets.cleaning.changes import Change, Cleaning, Dropped
from goalkit.datasets.cleaning.cleaner import Cleaner, clean_text

__all__ = ["Change", "Cleaner", "Cleaning", "Dropped", "clean_text"]
