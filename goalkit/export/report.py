"""The report of a verification: the measurements on a bundle, and remarks for judging them."""

from __future__ import annotations

from typing import Any

import attrs

from goalkit.configuration import to_dict
from goalkit.errors import VerificationError
from goalkit.export.comparison import ENOUGH_TEXTS, OutputComparison
from goalkit.export.texts import MADE_UP


@attrs.frozen(kw_only=True)
class VerificationReport:
    """The measurements of `Bundle.verify`, and the gates that failed.

    `identity` is that of the bundle's manifest. `parity` compares with the exported model: the model itself if available, else
    its outputs in golden.json (`parity_source` says which, `compared_texts` on how many texts). `fidelity` compares with the
    uncompressed reference, `heads` each saved head with the torch head. `accuracy` holds, per task, the share of correct
    predictions of the bundle and, if given, of the reference. `calibration` and `golden` are those of
    `goalkit.export.manifest.Origin`: on which texts half precision was checked at the export, and which are in golden.json.
    """

    identity: str
    texts: int
    compared_texts: int
    package_bytes: int
    bundle_bytes: int
    precision: str
    calibration: str
    golden: str
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
        """Raise VerificationError, which names the output and the worst text of each failed gate."""
        if self.failures:
            raise VerificationError("; ".join(self.failures) + "; do not ship this bundle")

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-serialisable data."""
        return to_dict(self)

    def without_texts(self) -> dict[str, Any]:
        """Return the report as JSON-serialisable data without the texts that it quotes."""
        figures = self.to_dict()
        for each in [*figures["parity"], *figures["fidelity"]]:
            del each["worst_text"], each["disagreeing_text"]
        del figures["failures"]
        return {**figures, "passed": self.passed}

    def remarks(self) -> list[str]:
        """Return remarks that help to judge the figures."""
        remarks = []
        if (count := min(self.texts, self.compared_texts)) < ENOUGH_TEXTS:
            remarks.append(f"{count} texts: agreement is only an indication; measure it on {ENOUGH_TEXTS} texts or more")
        if self.parity_source == "golden.json":
            remarks.append(
                "the exported model was not available: parity was measured against its outputs in golden.json, for "
                f"{self.golden}"
            )
        if MADE_UP in self.calibration:
            remarks.append(
                f"half precision was checked on {self.calibration} only: export again with golden texts that people wrote"
            )
        if not self.fidelity:
            remarks.append("no reference model was given: fidelity was not measured")
        for each in self.parity:
            if each.largest_share is not None and each.largest_share > 0.5:
                remarks.append(
                    f"{each.output}: one label is predicted for {each.largest_share:.0%} of the texts, so agreement says little"
                )
        return remarks
