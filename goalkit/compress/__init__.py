"""Compression: making a trained model smaller, a module a technique."""

from goalkit.compress.compressor import RECIPES, Compression, Compressor

__all__ = ["RECIPES", "Compression", "Compressor"]
