"""The sparse form: only the nonzero weights, float or in another stored form. Reserved: no weight is stored like this yet."""

from __future__ import annotations

import attrs

from goalkit.configuration import between
from goalkit.weights.contract import Form


@attrs.frozen(kw_only=True)
class SparseForm(Form):
    """Positions and values of the nonzero weights.

    Args:
        nonzeros: number of nonzero weights.
        values: the form of the nonzero values; None: float.
    """

    form = "sparse"
    nonzeros: int = attrs.field(validator=between(0, whole=True))
    values: Form | None = None

    def __str__(self) -> str:
        return self.form if self.values is None else f"{self.form} {self.values}"
