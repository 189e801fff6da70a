"""The sparse form: the weights that are not zero, alone or in a form of their own. Reserved: no weight is stored so yet."""

from __future__ import annotations

import attrs

from goalkit.configuration import between
from goalkit.weights.contract import Form


@attrs.frozen(kw_only=True)
class SparseForm(Form):
    """Which weights are not zero, and their values.

    Args:
        nonzeros: how many there are.
        values: the form of the nonzero values; None: they are floats.
    """

    form = "sparse"
    nonzeros: int = attrs.field(validator=between(0, whole=True))
    values: Form | None = None

    def __str__(self) -> str:
        return self.form if self.values is None else f"{self.form} {self.values}"
