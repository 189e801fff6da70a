"""Executes a pipeline: models in sequence, each taking inputs and earlier outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from goalkit.errors import RuntimeModelError
from goalkit.export.runtime.interface import Arrays, RuntimeModel


class Pipeline(RuntimeModel):
    """A sequence of models; only the outputs that the pipeline declares are returned."""

    def __init__(self, description: Any, members: Sequence[RuntimeModel]) -> None:
        super().__init__(description, next((each.labels for each in reversed(members) if each.labels), ()))
        self.members = tuple(members)
        known = set(self.inputs)
        for position, member in enumerate(members):
            required = {name for name, feature in member.inputs.items() if feature.default is None}
            if missing := sorted(required - known):
                raise RuntimeModelError(
                    f"member {position} of the pipeline takes {', '.join(missing)}, which no earlier member produces: "
                    "restore the file or export again"
                )
            known |= set(member.outputs)
        if missing := sorted(set(self.outputs) - known):
            raise RuntimeModelError(
                f"no member of the pipeline produces its output {', '.join(missing)}: restore the file or export again"
            )

    def _execute(self, inputs: Arrays) -> Arrays:
        known = dict(inputs)
        count = len(next(iter(inputs.values())))
        for member in self.members:
            taken = {name: known[name] for name in member.inputs if name in known}
            known.update(member.predict_many(taken, batch_size=count))
        return {name: known[name] for name in self.outputs}
