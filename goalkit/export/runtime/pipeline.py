"""Executing a pipeline: models one after another, each taking what is there by then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from goalkit.export.runtime.interface import Arrays, RuntimeModel


class Pipeline(RuntimeModel):
    """The members of a pipeline in their order. What the whole does not put out stays inside."""

    def __init__(self, description: Any, members: Sequence[RuntimeModel]) -> None:
        super().__init__(description)
        self.members = tuple(members)
        produced = {name: feature for member in members for name, feature in member.outputs.items()}
        wanted = {each.name for each in description.output}
        # a classifier puts its probabilities out as a dictionary, which has no shape of its own
        self.outputs = {name: feature for name, feature in produced.items() if name in wanted}

    def _execute(self, inputs: Arrays) -> Arrays:
        known = dict(inputs)
        for member in self.members:
            taken = {name: known[name] for name in member.inputs}
            known.update(member.predict_many(taken, batch_size=len(next(iter(taken.values())))))
        return {name: known[name] for name in self.outputs}
