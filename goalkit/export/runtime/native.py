"""Executes a saved model with Core ML itself, on a Mac, as a `RuntimeModel`."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from goalkit.errors import RuntimeModelError
from goalkit.export.coreml import coremltools, quiet
from goalkit.export.runtime.interface import Arrays, RuntimeModel
from goalkit.export.runtime.labels import model_labels


class NativeModel(RuntimeModel):
    """A thin adapter over coremltools' `MLModel.predict`, one example at a time.

    Tested only with a stand-in for `MLModel`, as goalkit is developed without a Mac.
    """

    def __init__(self, spec: Any, path: Path) -> None:
        super().__init__(spec.description, model_labels(spec))
        if platform.system() != "Darwin":
            raise RuntimeModelError(
                "Core ML runs on a Mac only: leave native out to execute the file with goalkit's own runtime"
            )
        with quiet():
            self._model = coremltools().models.MLModel(str(path))

    def _execute(self, inputs: Arrays) -> Arrays:
        count = len(next(iter(inputs.values())))
        examples = [self._model.predict({name: array[place] for name, array in inputs.items()}) for place in range(count)]
        return {name: np.stack([self._array(example[name]) for example in examples]) for name in self.outputs}

    def _array(self, value: Any) -> npt.NDArray[Any]:
        """Convert an output of Core ML, which returns probabilities by label, to an array."""
        return np.asarray([value[label] for label in self.labels] if isinstance(value, dict) else value)
