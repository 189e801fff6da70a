"""The interface of every model of the runtime: named inputs and outputs, and prediction on numpy arrays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from goalkit.errors import ConfigurationError, RuntimeModelError, UnsupportedOperationError
from goalkit.export.runtime.damage import model_errors
from goalkit.export.runtime.features import Feature, read_input, read_output
from goalkit.export.runtime.labels import Label

Arrays = dict[str, npt.NDArray[Any]]


class RuntimeModel(ABC):
    """A saved Core ML model, loaded and ready to execute on this machine.

    A classifier has `labels`. Core ML returns its probabilities as a dictionary; here they are an array, in the order of
    `labels`, and the output for the predicted label holds one of these.
    """

    source = "the model"
    """The model's name in error messages: the file, if it was loaded from one."""

    def __init__(self, description: Any, labels: tuple[Label, ...] = ()) -> None:
        self.labels = labels
        self.inputs = {each.name: read_input(each) for each in description.input}
        if not self.inputs:
            raise UnsupportedOperationError(
                "the model has no inputs, which the runtime does not support: convert it with at least one"
            )
        if state := [each.name for each in description.state]:
            raise UnsupportedOperationError(
                f"the model keeps state ({', '.join(state)}), which the runtime does not support: convert it without state"
            )
        self.probabilities: str = description.predictedProbabilitiesName
        self.outputs = {
            each.name: Feature(each.name, (len(labels),), np.float32)
            if labels and each.name == self.probabilities
            else read_output(each)
            for each in description.output
        }
        self._named = np.array(labels)

    def predict(self, inputs: Mapping[str, npt.ArrayLike]) -> Arrays:
        """Execute the model once.

        Args:
            inputs: an array of a declared shape per input. Optional inputs may be left out.

        Returns:
            An array of the declared shape and type per output; for a predicted label a string or an integer.

        Raises:
            RuntimeModelError: an input is missing, unknown, or has a wrong shape, or the file is damaged.
        """
        outputs = self.predict_many({name: np.asarray(array)[None] for name, array in inputs.items()})
        return {name: array[0] for name, array in outputs.items()}

    def predict_many(self, inputs: Mapping[str, npt.ArrayLike], *, batch_size: int = 32) -> Arrays:
        """Execute the model on N examples, `batch_size` at a time; arrays have N as an additional first axis.

        All examples of a call have the same shape; if a model takes several shapes, call it once per shape.
        """
        if batch_size < 1:
            raise ConfigurationError(f"batch_size is {batch_size}: it must be at least 1")
        arrays = self.checked(inputs)
        count = len(next(iter(arrays.values())))
        starts: Iterable[int] = range(0, count, batch_size)
        if count > batch_size:  # for a small head, a progress bar takes as long as the prediction
            starts = tqdm(starts, "executing", unit="batch", leave=False, delay=1)
        with model_errors(self.source):
            parts = [
                self._execute({name: array[start : start + batch_size] for name, array in arrays.items()}) for start in starts
            ]
            return {name: self._finished(feature, [part[name] for part in parts]) for name, feature in self.outputs.items()}

    @abstractmethod
    def _execute(self, inputs: Arrays) -> Arrays:
        """Execute the model on checked inputs, each [N, *shape]."""

    def _finished(self, feature: Feature, parts: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """Concatenate the parts of an output, and convert it to its declared type."""
        if not parts:
            return np.zeros((0, *feature.shape), feature.dtype)
        array = np.concatenate(parts)
        if feature.shape and not feature.admits(array.shape[1:]):
            raise RuntimeModelError(
                f"{self.source} declares {feature.name} as {feature.allowed} but returns {list(array.shape[1:])}: "
                "restore the file or export again"
            )
        return array.astype(feature.dtype, copy=False)

    def checked(self, inputs: Mapping[str, npt.ArrayLike]) -> Arrays:
        """Convert inputs of N examples to arrays of the declared types. Raises RuntimeModelError if they do not fit."""
        required = {name for name, feature in self.inputs.items() if feature.default is None}
        if not required <= set(inputs) <= set(self.inputs) or not inputs:
            optional = [name for name in self.inputs if name not in required]
            also = f" and optionally {', '.join(optional)}" if optional else ""
            raise RuntimeModelError(
                f"the model takes {', '.join(name for name in self.inputs if name in required)}{also}, "
                f"not {', '.join(inputs) or 'nothing'}: give exactly these"
            )
        arrays = {name: np.asarray(array) for name, array in inputs.items()}
        counts = {array.shape[:1] for array in arrays.values()}
        for name, array in arrays.items():
            if not self.inputs[name].admits(array.shape[1:]):
                raise RuntimeModelError(
                    f"{name} has the shape {list(array.shape[1:])}, the model takes {self.inputs[name].allowed}: pad or cut it"
                )
        if len(counts) > 1:
            raise RuntimeModelError("the inputs differ in their number of examples: give the same number of each")
        ((count,),) = counts
        return {
            name: arrays[name].astype(feature.dtype)
            if name in arrays
            else np.full((count, *feature.shape), feature.default, feature.dtype)
            for name, feature in self.inputs.items()
        }
