"""Checks that an exported graph computes what its model computes, on padded texts, before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import attrs
import torch
from torch import Tensor

from goalkit.backbones.probes import SAME, difference
from goalkit.classifier import Classifier
from goalkit.errors import ExportError, RuntimeModelError
from goalkit.export.activations import without_rounding
from goalkit.export.runtime.loading import executable, read_spec

TEXTS = 8

ADVICE = "wrap the encoder in goalkit.backbones.Encoder, with a forward of plain tensor operations"
"""Advice for the error about a graph that is wrong."""

ROUNDED = (
    "the program in half precision",
    0.1,
    "export with precision='mixed' or 'float32', or rescale a MobileBERT first (goalkit.export.rescale_for_half_precision)",
)
"""Name, tolerance and advice for a package with weights rounded to half precision. The tolerance is relative to the spread of
the expected values; docs/families.md has the errors of small models of many families."""

Run = Callable[[dict[str, Tensor]], Mapping[str, Tensor]]
"""Maps the inputs of one text, each int32 [1, S], to its outputs, [H] and [labels], by name."""


@attrs.frozen(eq=False)
class Agreement:
    """Synthetic texts of different lengths, padded to one length, with the outputs of a model's own forward pass.

    Args:
        inputs: each int32 [N, S]: `input_ids` and, unless it is derived, `attention_mask`.
        truth: the embedding, float32 [N, H], and each activated output, [N, labels], by exported name.
    """

    inputs: dict[str, Tensor]
    truth: dict[str, Tensor]

    @classmethod
    @torch.no_grad()
    def of(cls, model: Classifier, length: int, *, derive_mask: bool) -> Agreement:
        """Compute the expected outputs of `model` on texts of at most `length` tokens."""
        ids, mask = model.encoder.example_texts(length, TEXTS)
        if derive_mask:
            ids = torch.where(mask > 0, ids, model.padding_id)
            mask = (ids != model.padding_id).float()
        embedding = model.reference_embedding(ids, mask)
        activated = model.activated(embedding)
        outputs = {output.feature: activated[output.name] for output in model.outputs}
        inputs = {"input_ids": ids.to(torch.int32)} | ({} if derive_mask else {"attention_mask": mask.to(torch.int32)})
        return cls(inputs, {"embedding": embedding, **outputs})

    def example(self, row: int = 0) -> dict[str, Tensor]:
        """Return the inputs of one text, each int32 [1, S]."""
        return {name: each[row : row + 1] for name, each in self.inputs.items()}

    def check(self, run: Run, *, what: str, tolerance: float, advice: str) -> None:
        """Run `run` on every text and compare its outputs, [H] and [labels]; `what` and `advice` are for the error message.

        Raises:
            ExportError: an output differs by more than `tolerance` times the spread of the expected values.
        """
        found = [run(self.example(row)) for row in range(TEXTS)]
        for name, expected in self.truth.items():
            gap = difference(torch.stack([each[name] for each in found]), expected)
            if gap > tolerance:
                raise ExportError(
                    f"{what} does not compute what the model computes: on padded texts its {name} differs by {gap:.2g} times "
                    f"the spread of the expected values; {advice}"
                )


def check_package(path: Path, agreement: Agreement, *, half: bool) -> None:
    """Execute a saved package in float32, without rounding activations, and compare it with the model's own forward pass.

    Rounded weights count; the effect of half precision on activations is measured separately (see goalkit.export.checks).

    Raises:
        ExportError: an output differs, or the runtime cannot execute the program.
    """

    def run(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        found = program.predict({name: each.numpy() for name, each in inputs.items()})
        return {name: torch.from_numpy(each) for name, each in found.items()}

    what, tolerance, advice = ("the converted program", SAME, ADVICE) if not half else ROUNDED
    try:
        spec = read_spec(path)
        without_rounding(spec)
        program = executable(spec, path, precision="float32")
        agreement.check(run, what=what, tolerance=tolerance, advice=advice)
    except RuntimeModelError as error:  # it names the file, which is a temporary one
        reason = str(error).removeprefix(f"{path}: ")
        raise ExportError(f"the converted program cannot be compared with the model: {reason}") from error
