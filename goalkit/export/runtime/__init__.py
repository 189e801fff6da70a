"""The runtime: executes saved Core ML files on any machine, operation by operation."""

from goalkit.export.runtime.features import Feature
from goalkit.export.runtime.interface import RuntimeModel
from goalkit.export.runtime.loading import load_model
from goalkit.export.runtime.neighbours import NearestNeighboursClassifier
from goalkit.export.runtime.network import NeuralNetworkClassifier
from goalkit.export.runtime.pipeline import Pipeline
from goalkit.export.runtime.program import MLProgram
from goalkit.export.runtime.ranges import OperationRange, operation_ranges

__all__ = [
    "Feature",
    "MLProgram",
    "NearestNeighboursClassifier",
    "NeuralNetworkClassifier",
    "OperationRange",
    "Pipeline",
    "RuntimeModel",
    "load_model",
    "operation_ranges",
]
