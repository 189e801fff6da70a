"""Comparison of the outputs of saved files with the expected ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import attrs
import numpy as np
import numpy.typing as npt

from goalkit.export.runtime.network import NeuralNetworkClassifier

ENOUGH_TEXTS = 2000
"""Agreement on fewer texts than this is only an indication."""

Array = npt.NDArray[np.float32]


@attrs.frozen(kw_only=True)
class OutputComparison:
    """One output of the bundle compared with that of a model, over all texts.

    `psnr` is in dB: the largest magnitude relative to the root mean square error. `agreement` is the share of texts with the
    same most probable label, `largest_share` that of the label predicted most by the bundle (both None for the embedding).
    """

    output: str
    largest_error: float
    worst_text: str
    psnr: float
    agreement: float | None = None
    largest_share: float | None = None
    disagreeing_text: str | None = None


@attrs.frozen
class Truth:
    """The expected outputs of a bundle: texts, and the exported model's outputs for them.

    `embeddings`, float32 [M, H], may cover only the first M texts; `probabilities` cover all, [N, labels] per task.
    """

    texts: tuple[str, ...]
    probabilities: dict[str, Array]
    embeddings: Array

    def compare(self, outputs: Mapping[str, Array]) -> tuple[OutputComparison, ...]:
        """Compare the outputs of a program on the same texts with the expected ones."""
        count = len(self.embeddings)
        embedding = compare("embedding", self.texts[:count], outputs["embedding"][:count], self.embeddings, labels=False)
        names = [(f"{task}_probabilities", expected) for task, expected in self.probabilities.items()]
        return (embedding, *(compare(name, self.texts, outputs[name], expected, labels=True) for name, expected in names))


def compare(output: str, texts: Sequence[str], found: Array, expected: Array, *, labels: bool) -> OutputComparison:
    """Compare an output with the expected one, both [N, …]; `labels` if each row holds the probabilities of labels."""
    errors = np.abs(found.astype(np.float64) - expected).reshape(len(texts), -1)
    errors = np.where(np.isfinite(errors), errors, np.inf)
    worst = int(errors.max(1).argmax())
    noise, peak = float(np.sqrt(np.mean(errors**2))), float(np.abs(expected).max())
    comparison = OutputComparison(
        output=output,
        largest_error=float(errors.max()),
        worst_text=texts[worst],
        psnr=20 * math.log10(peak / noise) if 0 < noise < math.inf and peak > 0 else (999.0 if noise == 0 else 0.0),
    )
    if not labels:
        return comparison
    chosen, wanted = found.argmax(1), expected.argmax(1)
    differing = np.flatnonzero(chosen != wanted)
    return attrs.evolve(
        comparison,
        agreement=1 - len(differing) / len(texts),
        largest_share=float(np.bincount(chosen).max() / len(texts)),
        disagreeing_text=texts[differing[errors[differing].max(1).argmax()]] if len(differing) else None,
    )


def head_error(head: NeuralNetworkClassifier, embeddings: Array, expected: Array) -> float:
    """Largest probability error of a head against `expected`, [N, labels]; spare slots should have probability zero."""
    found = head.predict_many(dict.fromkeys(head.inputs, embeddings))[head.probabilities]
    spare = found.shape[1] - expected.shape[1]
    return float(np.abs(found - np.pad(expected, ((0, 0), (0, spare)))).max())


def accuracies(probabilities: Mapping[str, Array], label_ids: Mapping[str, npt.NDArray[np.int64]]) -> dict[str, float]:
    """Share of correct predictions per task."""
    return {name: float(np.mean(probabilities[name].argmax(1) == ids)) for name, ids in label_ids.items()}
