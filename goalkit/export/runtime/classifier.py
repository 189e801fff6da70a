"""Base class of classifiers: a predicted label, and a probability per label."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt

from goalkit.errors import RuntimeModelError, UnsupportedOperationError
from goalkit.export.runtime.interface import Arrays, RuntimeModel
from goalkit.export.runtime.labels import Label


class ClassifierModel(RuntimeModel):
    """A model whose only outputs are the predicted label and the probabilities."""

    def __init__(self, description: Any, labels: tuple[Label, ...]) -> None:
        super().__init__(description, labels)
        for name, feature in self.outputs.items():
            if name != self.probabilities and not feature.is_label:
                raise UnsupportedOperationError(
                    f"the output {name} of the classifier is neither its label nor its probabilities, the only outputs that "
                    "the runtime supports: remove it from the model's description"
                )

    @abstractmethod
    def _probabilities(self, inputs: Arrays) -> npt.NDArray[np.float32]:
        """Compute probabilities, [N, labels], of checked inputs."""

    def _execute(self, inputs: Arrays) -> Arrays:
        probabilities = self._probabilities(inputs)
        if probabilities.shape[1:] != self._named.shape:
            raise RuntimeModelError(
                f"there are {len(self.labels)} labels for results of shape {list(probabilities.shape[1:])}: "
                "restore the file or export again"
            )
        chosen = self._named[probabilities.argmax(1)]
        return {name: chosen if feature.is_label else probabilities for name, feature in self.outputs.items()}
