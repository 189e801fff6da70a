"""What every model of the runtime offers: named inputs and outputs, and prediction on numpy arrays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from goalkit.errors import ConfigurationError, RuntimeModelError
from goalkit.export.coreml import model_proto

Arrays = dict[str, npt.NDArray[Any]]


@attrs.frozen
class Feature:
    """An input or output of a saved model: its name, fixed shape (without a batch axis) and number type."""

    name: str
    shape: tuple[int, ...]
    dtype: npt.DTypeLike


class RuntimeModel(ABC):
    """A saved Core ML model, loaded and ready to execute on this machine."""

    def __init__(self, description: Any) -> None:
        self.inputs = {feature.name: _feature(feature) for feature in description.input}
        self.outputs = {
            feature.name: _feature(feature) for feature in description.output if feature.type.HasField("multiArrayType")
        }

    def predict(self, inputs: Mapping[str, npt.ArrayLike]) -> Arrays:
        """Execute the model once.

        Args:
            inputs: for each input an array of its declared shape.

        Returns:
            For each output an array of its declared shape and type.

        Raises:
            RuntimeModelError: an input is missing, unknown, or of another shape.
        """
        outputs = self.predict_many({name: np.asarray(array)[None] for name, array in inputs.items()})
        return {name: array[0] for name, array in outputs.items()}

    def predict_many(self, inputs: Mapping[str, npt.ArrayLike], *, batch_size: int = 32) -> Arrays:
        """Execute the model on N examples, `batch_size` at a time; arrays have N as an additional first axis."""
        if batch_size < 1:
            raise ConfigurationError(f"batch_size is {batch_size}: it must be at least 1")
        arrays = self.checked(inputs)
        count = len(next(iter(arrays.values())))
        starts = tqdm(range(0, count, batch_size), "executing", unit="batch", leave=False, delay=1)
        parts = [self._execute({name: array[start : start + batch_size] for name, array in arrays.items()}) for start in starts]
        if not parts:
            return {name: np.zeros((0, *feature.shape), feature.dtype) for name, feature in self.outputs.items()}
        return {
            name: np.concatenate([part[name] for part in parts]).astype(feature.dtype) for name, feature in self.outputs.items()
        }

    @abstractmethod
    def _execute(self, inputs: Arrays) -> Arrays:
        """Execute checked inputs, each [N, *shape]."""

    def checked(self, inputs: Mapping[str, npt.ArrayLike]) -> Arrays:
        """Inputs of N examples as arrays of the declared types. Raises RuntimeModelError if they do not fit."""
        if set(inputs) != set(self.inputs):
            raise RuntimeModelError(
                f"the model takes {', '.join(self.inputs)}, not {', '.join(inputs) or 'nothing'}: give just those"
            )
        arrays = {name: np.asarray(array) for name, array in inputs.items()}
        for name, feature in self.inputs.items():
            if arrays[name].shape[1:] != feature.shape:
                raise RuntimeModelError(
                    f"{name} has the shape {list(arrays[name].shape[1:])}, the model takes {list(feature.shape)}: pad or cut it"
                )
        if len({len(array) for array in arrays.values()}) > 1:
            raise RuntimeModelError("the inputs differ in their number of examples: give the same number of each")
        return {name: array.astype(self.inputs[name].dtype) for name, array in arrays.items()}


def _feature(feature: Any) -> Feature:
    kinds = model_proto().ArrayFeatureType
    dtypes = {kinds.FLOAT32: np.float32, kinds.FLOAT16: np.float16, kinds.DOUBLE: np.float64, kinds.INT32: np.int32}
    array = feature.type.multiArrayType
    return Feature(feature.name, tuple(int(size) for size in array.shape), dtypes.get(array.dataType, np.float32))
