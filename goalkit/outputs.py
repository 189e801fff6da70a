"""Outputs: what the numbers of a head mean, and what becomes of its logits."""

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
"""The problem types, by the names that transformers gives them."""


def _check_labels(output: Output, attribute: attrs.Attribute[tuple[str, ...]], labels: tuple[str, ...]) -> None:
    check_distinct(f"output {output.name!r}", labels)


@attrs.frozen
class Output:
    """What one head of a classifier says.

    Args:
        name: of the head, such as a task's.
        labels: what its numbers stand for, in their order.
        problem_type: "single_label_classification", whose probabilities sum to 1; "multi_label_classification", where each
            label has a probability of its own; or "regression", whose numbers are values.
    """

    name: str
    labels: tuple[str, ...] = attrs.field(validator=_check_labels)
    problem_type: str = attrs.field(default=SINGLE_LABEL, validator=one_of(SINGLE_LABEL, MULTI_LABEL, REGRESSION))

    @classmethod
    def of_transformers(cls, config: Any) -> Output:
        """What a sequence classifier of transformers says, as its configuration tells; unset, one number means regression.

        Raises:
            ModelError: its labels are not numbered from 0.
            ConfigurationError: two labels have one name, or the problem type is unknown.
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
        """What the exported output is called: `<name>_probabilities`, or `<name>_values` of a regression."""
        return f"{self.name}_values" if self.problem_type == REGRESSION else f"{self.name}_probabilities"

    @property
    def description(self) -> str:
        """One line about the exported output, for Xcode."""
        what = {
            SINGLE_LABEL: "Probabilities, which sum to 1, of ",
            MULTI_LABEL: "Independent probabilities, each from 0 to 1, of ",
            REGRESSION: "Values of ",
        }
        return what[self.problem_type] + " ".join(self.labels)

    def activate(self, logits: Tensor) -> Tensor:
        """Logits, float [..., labels], to what is reported: by softmax, by sigmoid, or as they are."""
        if self.problem_type == REGRESSION:
            return logits
        return torch.sigmoid(logits) if self.problem_type == MULTI_LABEL else torch.softmax(logits, -1)
