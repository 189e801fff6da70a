"""Stored forms of weights: parameters that are kept as small integers, in torch and on disk.

A compressed weight is a torch parametrisation: the module stores the integers, and computes the weight from them on access.
Techniques in `goalkit.compress` choose the integers; `goalkit.export` exports them unchanged.

A form consists of a subclass of `Form`, its settings, and one of `StoredWeight`, which computes the weight, registered with
`register_form`; to export it, register its translation with `goalkit.export.metadata.translate`.
"""

from goalkit.weights.affine import AffineForm, AffineWeight
from goalkit.weights.contract import Form, StoredWeight
from goalkit.weights.description import ActivationRange, CompressedLayers
from goalkit.weights.palette import PaletteForm, PaletteWeight
from goalkit.weights.parameters import kept_tensor, restore_float, restore_floats, store_as, stored_weights
from goalkit.weights.registry import register_form, weight_of
from goalkit.weights.shapes import Layer, layer_shapes, parts, set_weight
from goalkit.weights.sparse import SparseForm, SparseWeight, nonzeros

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
    "SparseWeight",
    "StoredWeight",
    "kept_tensor",
    "layer_shapes",
    "nonzeros",
    "parts",
    "register_form",
    "restore_float",
    "restore_floats",
    "set_weight",
    "store_as",
    "stored_weights",
    "weight_of",
]
