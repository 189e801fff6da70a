"""Outputs: the labels and problem type of a head, and the activation of its logits."""

from __future__ import annotations

from typing import Any

import attrs
import torch
from torch import Tensor

from goalkit.configuration import one_of
from goalkit.errors import ModelError
from goalkit.tasks import check_distinct

SINGLE_LABEL = "single_label_classification"
MULTI_LABEL = "multi_label_classification"
REGRESSION = "regression"
"""The problem types, named as in transformers."""


def _check_labels(output: Output, attribute: attrs.Attribute[tuple[str, ...]], labels: tuple[str, ...]) -> None:
    check_distinct(f"output {output.name!r}", labels)


@attrs.frozen
class Output:
    """The output of one head of a classifier.

    Args:
        name: name of the head, usually that of its task.
        labels: the names of its values, in order.
        problem_type: "single_label_classification", probabilities that sum to 1; "multi_label_classification", an independent
            probability per label; or "regression", plain values.
    """

    name: str
    labels: tuple[str, ...] = attrs.field(validator=_check_labels)
    problem_type: str = attrs.field(default=SINGLE_LABEL, validator=one_of(SINGLE_LABEL, MULTI_LABEL, REGRESSION))

    @classmethod
    def of_transformers(cls, config: Any) -> Output:
        """Read the output of a transformers sequence classifier from its configuration. By default one value means regression.

        Raises:
            ModelError: its labels are not numbered from 0.
            ConfigurationError: two labels have the same name, or the problem type is unknown.
        """
        if sorted(config.id2label) != list(range(config.num_labels)):
            raise ModelError(
                f"config.id2label numbers the labels {', '.join(map(str, sorted(config.id2label)))}: number them from 0 to "
                f"{config.num_labels - 1}, as the rows of the last layer are"
            )
        labels = tuple(str(config.id2label[number]) for number in range(config.num_labels))
        default = REGRESSION if config.num_labels == 1 else SINGLE_LABEL
        return cls("label", labels, config.problem_type or default)

    @property
    def feature(self) -> str:
        """Name of the exported output: `<name>_probabilities`, or `<name>_values` for a regression."""
        return f"{self.name}_values" if self.problem_type == REGRESSION else f"{self.name}_probabilities"

    @property
    def description(self) -> str:
        """One-line description of the exported output, shown in Xcode."""
        what = {
            SINGLE_LABEL: "Probabilities, which sum to 1, of ",
            MULTI_LABEL: "Independent probabilities, each from 0 to 1, of ",
            REGRESSION: "Values of ",
        }
        return what[self.problem_type] + " ".join(self.labels)

    def activate(self, logits: Tensor) -> Tensor:
        """Apply softmax, sigmoid or nothing, depending on the problem type, to logits: float [..., labels]."""
        if self.problem_type == REGRESSION:
            return logits
        return torch.sigmoid(logits) if self.problem_type == MULTI_LABEL else torch.softmax(logits, -1)
