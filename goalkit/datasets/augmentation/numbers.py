"""Numbers: quantities, weekdays and times of day written otherwise."""

from __future__ import annotations

from typing import ClassVar

import attrs

from goalkit.configuration import between
from goalkit.datasets.augmentation.quantities import rewritings
from goalkit.datasets.augmentation.replacement import Place, Replacement


@attrs.frozen(kw_only=True)
class Numbers(Replacement):
    """Writes quantities, weekdays and times otherwise: 5公里, 五公里, 5km; 下周三, 下礼拜三; 半小时, 30分钟; 晚上8点, 20:00.

    Args:
        strength: the share of them rewritten, from 0 to 1; above 0 it is at least one.
        magnitude: also change a value, by at most this share of it, where it is the only quantity in its text; 0 never
            does. Anything else may change the difficulty, and is declared to.
    """

    name: ClassVar[str] = "numbers"
    kept: ClassVar[frozenset[str]] = frozenset()
    strength: float = attrs.field(default=0.5, validator=between(0, 1))
    magnitude: float = attrs.field(default=0.0, validator=between(0, 0.5))

    @property
    def may_change(self) -> frozenset[str]:
        """See `Augmentation.may_change`."""
        return frozenset({"difficulty"}) if self.magnitude else frozenset()

    def places(self, text: str) -> list[Place]:
        """See `Replacement.places`."""
        return rewritings(text, self.magnitude)
