"""Numbers: rewrite quantities, weekdays and times of day."""

from __future__ import annotations

from typing import ClassVar

import attrs

from goalkit.configuration import between
from goalkit.datasets.augmentation.quantities import rewritings
from goalkit.datasets.augmentation.replacement import Place, Replacement


@attrs.frozen(kw_only=True)
class Numbers(Replacement):
    """Rewrites quantities, weekdays and times: 5公里, 五公里, 5km; 下周三, 下礼拜三; 半小时, 30分钟; 晚上8点, 20:00.

    Args:
        strength: share of them to rewrite, from 0 to 1; at least one if above 0.
        magnitude: also change a value by up to this share, if it is the only quantity in its text. Above 0, `may_change`
            includes the difficulty.
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
