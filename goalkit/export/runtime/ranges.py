"""Magnitudes of a program's results on real texts, and where half precision cannot hold them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from goalkit.export.runtime.compilation import Step
from goalkit.export.runtime.damage import model_errors
from goalkit.export.runtime.program import MLProgram

LARGEST_HALF = 65504.0


@attrs.frozen(kw_only=True)
class OperationRange:
    """Range of one operation's results over all examples.

    Args:
        name: the name of its first result, as in the file.
        kind: the operation, such as `linear`.
        largest: the largest magnitude (infinite after an overflow).
        example: the example (text) with that magnitude, or with the problem, if there is one.
        overflows: whether a number is infinite; a result rounded to half precision is infinite from 65,520 on.
        underflows: whether rounding made all numbers of an example zero that were not zero before.
        not_a_number: whether a result is NaN.
    """

    name: str
    kind: str
    largest: float
    example: str
    overflows: bool
    underflows: bool
    not_a_number: bool

    @property
    def sound(self) -> bool:
        """Whether there is no overflow, underflow or NaN."""
        return not (self.overflows or self.underflows or self.not_a_number)


def operation_ranges(
    program: MLProgram, inputs: Mapping[str, npt.ArrayLike], examples: Sequence[str], *, batch_size: int = 16
) -> tuple[OperationRange, ...]:
    """Execute a program on N examples, and measure the results of every operation.

    Load the program with `precision="float32"` to measure exact magnitudes, with "declared" to measure the effect of half
    precision.

    Args:
        program: the loaded model.
        inputs: each [N, *shape].
        examples: N names for the examples, usually the texts.
        batch_size: examples at a time.

    Returns:
        A range per operation, in their order. NaN and infinity are also reported for later operations that inherit them; the
        first one in the list is the origin.
    """
    arrays = program.checked(inputs)
    parts: dict[str, list[npt.NDArray[np.float32]]] = {}
    kinds: dict[str, str] = {}

    def observe(step: Step, exact: dict[str, Tensor], results: dict[str, Tensor]) -> dict[str, Tensor]:
        names = [name for name, tensor in results.items() if tensor.is_floating_point()]
        if not names:
            return {}
        kinds[step.name] = step.kind
        before, after = (torch.cat([each[name].flatten() for name in names]) for each in (exact, results))
        return {f"{step.name}/range": _summary(before, after)}

    for start in range(0, len(examples), batch_size):
        batch = {name: array[start : start + batch_size] for name, array in arrays.items()}
        with model_errors(program.source):
            results = program.execute_tensors(program.tensors(batch), observe)
        for name, tensor in results.items():
            if name.endswith("/range"):
                parts.setdefault(name.removesuffix("/range"), []).append(tensor.numpy())
    return tuple(_range(name, kinds[name], np.concatenate(found), examples) for name, found in parts.items())


def _summary(exact: Tensor, numbers: Tensor) -> Tensor:
    """Summarise one example: largest finite magnitude; numbers that are infinite, NaN, nonzero before and after rounding."""
    magnitudes = numbers.abs()
    finite = torch.where(torch.isfinite(magnitudes), magnitudes, 0.0)
    counts = (torch.isinf(numbers), torch.isnan(numbers), exact != 0, numbers != 0)
    return torch.stack([finite.amax(), *(count.sum().float() for count in counts)])


def _range(name: str, kind: str, found: npt.NDArray[np.float32], examples: Sequence[str]) -> OperationRange:
    largest, infinite, missing, nonzero, kept = found.T
    magnitude = np.where(infinite > 0, np.inf, largest)
    overflows = infinite > 0
    underflows = (nonzero > 0) & (kept == 0)
    trouble = overflows | underflows | (missing > 0)
    shown = int(trouble.argmax() if trouble.any() else magnitude.argmax())
    return OperationRange(
        name=name,
        kind=kind,
        largest=float(magnitude.max()),
        example=examples[shown],
        overflows=bool(overflows.any()),
        underflows=bool(underflows.any()),
        not_a_number=bool((missing > 0).any()),
    )
