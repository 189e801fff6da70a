"""Backbones: the encoders goalkit can train and export, found through the entry-point group `goalkit.backbones`."""

from goalkit.backbones.anatomy import Anatomy
from goalkit.backbones.contract import Backbone, Checkpoint, Encoder
from goalkit.backbones.discovery import find_backbone, installed_backbones
from goalkit.backbones.inheritance import inherit_weights
from goalkit.backbones.vocabulary import MULTIPLE, default_vocabulary, vocabulary_from_texts

__all__ = [
    "MULTIPLE",
    "Anatomy",
    "Backbone",
    "Checkpoint",
    "Encoder",
    "default_vocabulary",
    "find_backbone",
    "inherit_weights",
    "installed_backbones",
    "vocabulary_from_texts",
]
