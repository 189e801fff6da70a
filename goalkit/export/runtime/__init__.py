"""The runtime: executes saved Core ML files on any machine, as they stand, operation by operation."""

from goalkit.export.runtime.interface import Feature, RuntimeModel
from goalkit.export.runtime.loading import load_model
from goalkit.export.runtime.network import NeuralNetworkClassifier
from goalkit.export.runtime.program import MLProgram

__all__ = ["Feature", "MLProgram", "NeuralNetworkClassifier", "RuntimeModel", "load_model"]
