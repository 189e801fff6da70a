"""Verification: what a saved bundle does, compared with the models it came from, measured by executing its files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from goalkit.configuration import to_dict
from goalkit.errors import VerificationError
from goalkit.export.runtime.network import NeuralNetworkClassifier

Array = npt.NDArray[np.float32]

ENOUGH_TEXTS = 2000
"""Agreement on fewer texts than this is an indication, not a proof."""


@attrs.frozen(kw_only=True)
class Gates:
    """What a bundle must reach.

    Args:
        float32_error: largest probability error of a float32 bundle against the exported model.
        half_psnr: least PSNR, in dB, of the embedding of a half- or mixed-precision bundle against the exported model.
        head_error: largest probability error of a saved head against the torch head, on the same embeddings.
        parity_agreement: least share of texts on which bundle and exported model choose the same label; on fewer than 2,000
            texts it fails only if a model that just reaches it would do better nineteen times in twenty.
        fidelity_agreement: the same against the reference model.
    """

    float32_error: float = 1e-4
    half_psnr: float = 40.0
    head_error: float = 1e-6
    parity_agreement: float = 0.999
    fidelity_agreement: float = 0.99


@attrs.frozen(kw_only=True)
class OutputComparison:
    """One output of the bundle against the same of a model, over all texts.

    `psnr` is in dB, of the largest magnitude against the root mean square error; `agreement` is the share of texts with the
    same likeliest label, `largest_share` that of the label the bundle predicts most (both None for the embedding).
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
    """What a bundle is held to: texts, and what the exported model says about them.

    `embeddings`, float32 [M, H], may be of the first M texts only; `probabilities` are of all, for each task [N, labels].
    """

    texts: tuple[str, ...]
    probabilities: dict[str, Array]
    embeddings: Array

    def compare(self, outputs: Mapping[str, Array]) -> tuple[OutputComparison, ...]:
        """Compare the outputs of a program on the same texts."""
        count = len(self.embeddings)
        embedding = compare("embedding", self.texts[:count], outputs["embedding"][:count], self.embeddings, labels=False)
        names = [(f"{task}_probabilities", expected) for task, expected in self.probabilities.items()]
        return (embedding, *(compare(name, self.texts, outputs[name], expected, labels=True) for name, expected in names))


@attrs.frozen(kw_only=True)
class VerificationReport:
    """What `Bundle.verify` measured, and which gates failed.

    `parity` compares with the exported model: the very one if it was at hand, else its answers in golden.json
    (`parity_source` says which, `compared_texts` on how many texts). `fidelity` compares with the uncompressed reference,
    `heads` each saved head with the torch head. `accuracy` holds, a task, the share of right labels of the bundle and, if
    given, of the reference.
    """

    texts: int
    compared_texts: int
    package_bytes: int
    bundle_bytes: int
    precision: str
    parity_source: str
    parity: tuple[OutputComparison, ...]
    fidelity: tuple[OutputComparison, ...] = ()
    heads: dict[str, float] = attrs.field(factory=dict)
    accuracy: dict[str, dict[str, float]] = attrs.field(factory=dict)
    failures: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every gate was reached."""
        return not self.failures

    def raise_if_failed(self) -> None:
        """Raises VerificationError that names the output and the worst text of each failed gate."""
        if self.failures:
            raise VerificationError("; ".join(self.failures) + "; do not ship this bundle")

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-ready data."""
        return to_dict(self)

    def without_texts(self) -> dict[str, Any]:
        """The report as JSON-ready data without any of the texts that it quotes."""
        figures = self.to_dict()
        for each in [*figures["parity"], *figures["fidelity"]]:
            del each["worst_text"], each["disagreeing_text"]
        del figures["failures"]
        return {**figures, "passed": self.passed}

    def remarks(self) -> list[str]:
        """What a reader must know to judge the figures."""
        remarks = []
        if (count := min(self.texts, self.compared_texts)) < ENOUGH_TEXTS:
            remarks.append(f"{count} texts: agreement is an indication, {ENOUGH_TEXTS} or more would prove it")
        if self.parity_source == "golden.json":
            remarks.append(
                "the exported model was not at hand: parity is against its answers in golden.json, "
                f"to {self.compared_texts} goals"
            )
        if not self.fidelity:
            remarks.append("no reference model was given: fidelity was not measured")
        for each in self.parity:
            if each.largest_share is not None and each.largest_share > 0.5:
                remarks.append(
                    f"{each.output}: one label takes {each.largest_share:.0%} of the texts, so agreement says little"
                )
        return remarks


def compare(output: str, texts: Sequence[str], found: Array, expected: Array, *, labels: bool) -> OutputComparison:
    """Compare an output with what was expected, both [N, …]; `labels` if each row holds the probabilities of labels."""
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
    """Largest probability error of a head, whose spare slots should have none, against what is expected, [N, labels]."""
    found = head.predict_many(dict.fromkeys(head.inputs, embeddings))[head.probabilities]
    spare = found.shape[1] - expected.shape[1]
    return float(np.abs(found - np.pad(expected, ((0, 0), (0, spare)))).max())


def failed_gates(report: VerificationReport, gates: Gates) -> tuple[str, ...]:
    """A sentence for each gate that `report` does not reach."""
    failures = []
    for each in report.parity:
        if report.precision == "float32" and each.agreement is not None and each.largest_error > gates.float32_error:
            failures.append(
                _failure("parity", each, f"largest error {each.largest_error:.2e} is above {gates.float32_error:.0e}")
            )
        if report.precision != "float32" and each.agreement is None and each.psnr < gates.half_psnr:
            failures.append(_failure("parity", each, f"PSNR {each.psnr:.1f} dB is below {gates.half_psnr:.0f} dB"))
    for kind, comparisons, bar, count in (
        ("parity", report.parity, gates.parity_agreement, report.compared_texts),
        ("fidelity", report.fidelity, gates.fidelity_agreement, report.texts),
    ):
        allowed = _allowed(count, 1 - bar)
        for each in comparisons:
            if each.agreement is not None and round((1 - each.agreement) * count) > allowed:
                failures.append(_failure(kind, each, f"agreement {each.agreement:.2%} is below {bar:.1%}"))
    failures += [
        f"head {task}: largest error {error:.2e} is above {gates.head_error:.0e}"
        for task, error in report.heads.items()
        if not error <= gates.head_error
    ]
    return tuple(failures)


def _allowed(count: int, share: float) -> int:
    """How many of `count` texts may differ. On few, what a model just at the bar exceeds one time in twenty."""
    if count >= ENOUGH_TEXTS:
        return math.floor(share * count)
    allowed, reached = 0, (1 - share) ** count
    while reached < 0.95:
        allowed += 1
        reached += math.comb(count, allowed) * share**allowed * (1 - share) ** (count - allowed)
    return allowed


def _failure(kind: str, each: OutputComparison, what: str) -> str:
    return f"{kind} of {each.output}: {what}, worst on {(each.disagreeing_text or each.worst_text)!r}"


def accuracies(probabilities: Mapping[str, Array], label_ids: Mapping[str, npt.NDArray[np.int64]]) -> dict[str, float]:
    """Share of right labels, a task."""
    return {name: float(np.mean(probabilities[name].argmax(1) == ids)) for name, ids in label_ids.items()}
