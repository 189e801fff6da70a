"""Compression: making a trained model smaller, one module per technique.

A technique is found by its name through the entry-point group `goalkit.compression`; a recipe is a sequence of them.
"""

from goalkit.compress.activations import ActivationQuantisation
from goalkit.compress.budget import Budget
from goalkit.compress.compression import Compression
from goalkit.compress.compressor import Compressor
from goalkit.compress.contract import CompressionContext, Technique
from goalkit.compress.discovery import find_technique, installed_techniques
from goalkit.compress.distillation import Distillation
from goalkit.compress.front import BudgetResult, Candidate
from goalkit.compress.mixed import MixedPrecision
from goalkit.compress.palettisation import Palettisation
from goalkit.compress.pruning import Pruning, SparseStorage
from goalkit.compress.quantisation import Quantisation
from goalkit.compress.recipes import RECIPES, Recipe, as_recipe
from goalkit.compress.structured import StructuredPruning
from goalkit.compress.vocabulary import VocabularyTrimming
from goalkit.teacher import Teacher

__all__ = [
    "RECIPES",
    "ActivationQuantisation",
    "Budget",
    "BudgetResult",
    "Candidate",
    "Compression",
    "CompressionContext",
    "Compressor",
    "Distillation",
    "MixedPrecision",
    "Palettisation",
    "Pruning",
    "Quantisation",
    "Recipe",
    "SparseStorage",
    "StructuredPruning",
    "Teacher",
    "Technique",
    "VocabularyTrimming",
    "as_recipe",
    "find_technique",
    "installed_techniques",
]
