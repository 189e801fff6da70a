"""Gates: thresholds that a bundle must reach."""

from __future__ import annotations

import math

import attrs

from goalkit.export.comparison import ENOUGH_TEXTS, OutputComparison
from goalkit.export.report import VerificationReport


@attrs.frozen(kw_only=True)
class Gates:
    """Thresholds that a bundle must reach.

    Args:
        float32_error: largest probability error of a float32 bundle against the exported model.
        half_psnr: smallest PSNR, in dB, of the embedding of a half- or mixed-precision bundle against the exported model.
        head_error: largest probability error of a saved head against the torch head, on the same embeddings.
        parity_agreement: smallest share of texts on which bundle and exported model choose the same label; with fewer than
            2,000 texts it fails only if a model exactly at the threshold would do better 95 % of the time.
        fidelity_agreement: the same against the reference model.
    """

    float32_error: float = 1e-4
    half_psnr: float = 40.0
    head_error: float = 1e-6
    parity_agreement: float = 0.999
    fidelity_agreement: float = 0.99


def failed_gates(report: VerificationReport, gates: Gates) -> tuple[str, ...]:
    """Return a sentence for each gate that `report` does not reach."""
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
    """How many of `count` texts may differ; for few texts, the number that a model at the threshold exceeds 5 % of the time."""
    if count >= ENOUGH_TEXTS:
        return math.floor(share * count)
    allowed, reached = 0, (1 - share) ** count
    while reached < 0.95:
        allowed += 1
        reached += math.comb(count, allowed) * share**allowed * (1 - share) ** (count - allowed)
    return allowed


def _failure(kind: str, each: OutputComparison, what: str) -> str:
    return f"{kind} of {each.output}: {what}, worst on {(each.disagreeing_text or each.worst_text)!r}"
