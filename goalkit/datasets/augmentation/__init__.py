"""Augmentation: derive rows that express the same goals in other words."""

from goalkit.datasets.augmentation.back_translation import BackTranslation, Translator
from goalkit.datasets.augmentation.contract import Augmentation
from goalkit.datasets.augmentation.derivation import augment
from goalkit.datasets.augmentation.edits import Deletion, Swap
from goalkit.datasets.augmentation.marian import MarianTranslator
from goalkit.datasets.augmentation.masked_language_model import MaskedLanguageModel
from goalkit.datasets.augmentation.notes import Notes
from goalkit.datasets.augmentation.numbers import Numbers
from goalkit.datasets.augmentation.synonyms import Synonyms, goal_synonyms, read_synonyms
from goalkit.datasets.augmentation.typos import Typos, common_homophones, read_homophones

__all__ = [
    "Augmentation",
    "BackTranslation",
    "Deletion",
    "MarianTranslator",
    "MaskedLanguageModel",
    "Notes",
    "Numbers",
    "Swap",
    "Synonyms",
    "Translator",
    "Typos",
    "augment",
    "common_homophones",
    "goal_synonyms",
    "read_homophones",
    "read_synonyms",
]
