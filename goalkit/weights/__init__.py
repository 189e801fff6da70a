"""Stored forms of weights: how a parameter that is kept as small integers behaves in torch and on disk.

A compressed weight is a torch parametrisation: the module keeps the integers, and computes the weight from them when it is
used. Techniques in `goalkit.compress` decide the integers; `goalkit.export` carries them over as they are.

A form is a subclass of `Form`, its settings, and one of `StoredWeight`, which computes the weight, made known by
`register_form`; to export it, tell `goalkit.export.metadata` what it is to Core ML.
"""

from goalkit.weights.affine import AffineForm, AffineWeight
from goalkit.weights.contract import Form, StoredWeight
from goalkit.weights.description import ActivationRange, CompressedLayers
from goalkit.weights.palette import PaletteForm, PaletteWeight
from goalkit.weights.parameters import kept_tensor, restore_float, store_as, stored_weights
from goalkit.weights.registry import register_form, weight_of
from goalkit.weights.shapes import Layer, layer_shapes, set_weight
from goalkit.weights.sparse import SparseForm

__all__ = [
    "ActivationRange",
    "AffineForm",
    "AffineWeight",
    "CompressedLayers",
    "Form",
    "Layer",
    "PaletteForm",
    "PaletteWeight",
    "SparseForm",
    "StoredWeight",
    "kept_tensor",
    "layer_shapes",
    "register_form",
    "restore_float",
    "set_weight",
    "store_as",
    "stored_weights",
    "weight_of",
]
