"""Stored forms of weights: parameters that are kept as small integers, in torch and on disk; and quantised activations.

A compressed weight is a torch parametrisation: the module stores the integers, and computes the weight from them on access.
Techniques in `goalkit.compress` choose the integers; `goalkit.export` exports them unchanged.

A form consists of a subclass of `Form`, its settings, and one of `StoredWeight`, which computes the weight, registered with
`register_form`; to export it, register its translation with `goalkit.export.metadata.translate`.
"""

from goalkit.weights.activations import QuantisedInput, quantise_input, quantised_inputs, restore_inputs
from goalkit.weights.affine import AffineForm, AffineWeight, half_scale
from goalkit.weights.contract import TARGETS, Form, StoredWeight
from goalkit.weights.description import CompressedLayers
from goalkit.weights.palette import PaletteForm, PaletteWeight
from goalkit.weights.parameters import kept_tensor, restore_float, restore_floats, store_as, stored_weights
from goalkit.weights.registry import register_form, weight_of
from goalkit.weights.shapes import Layer, layer_shapes, parts, set_weight
from goalkit.weights.size import estimated_package_bytes
from goalkit.weights.sparse import SparseForm, SparseWeight, nonzeros
from goalkit.weights.targets import check_target

__all__ = [
    "TARGETS",
    "AffineForm",
    "AffineWeight",
    "CompressedLayers",
    "Form",
    "Layer",
    "PaletteForm",
    "PaletteWeight",
    "QuantisedInput",
    "SparseForm",
    "SparseWeight",
    "StoredWeight",
    "check_target",
    "estimated_package_bytes",
    "half_scale",
    "kept_tensor",
    "layer_shapes",
    "nonzeros",
    "parts",
    "quantise_input",
    "quantised_inputs",
    "register_form",
    "restore_float",
    "restore_floats",
    "restore_inputs",
    "set_weight",
    "store_as",
    "stored_weights",
    "weight_of",
]
