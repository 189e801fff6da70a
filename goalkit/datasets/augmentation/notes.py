"""Make notes of sentences, as people jot goals down: without subject and particles, with symbols for units, as lists."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import ClassVar

import attrs
import numpy as np

from goalkit.configuration import between
from goalkit.datasets.augmentation.contract import DRAWS, Augmentation
from goalkit.datasets.augmentation.protected import COMPLETION, NEGATION

_START = r"(?:(?<=^)|(?<=[，,。；;！!]))"
_SUBJECT = re.compile(rf"{_START}(?:我们|咱们|我自己|自己|我|咱|俺)(?![妈爸们家国司])")
_PARTICLES = re.compile(r"(?<=\w)(?:一下子?|吧|呢|啊|呀|哦|嘛|呗|咧)(?=$|[，,。；;！!？?])|(?<=\w)一下(?=\w)|[～~]+")
_OF = re.compile(r"(?<=\w\w)的(?=\w\w)")
_HANDLED = re.compile(rf"{_START}(?:先|就|再)?(?:去|来|把|给自己|用来)(?=\w{{3,}})")
_UNITS = {
    "公里": "km",
    "千米": "km",
    "公斤": "kg",
    "千克": "kg",
    "分钟": "min",
    "个小时": "h",
    "小时": "h",
    "毫升": "ml",
    "厘米": "cm",
}
_UNIT = re.compile(rf"(?<=[0-9])\s?(?:{'|'.join(_UNITS)})(?![0-9半多])")
_AMOUNT_LAST = re.compile(
    r"^(?P<what>[^0-9，,；;：:]{2,8}?)(?P<amount>[0-9]+(?:\.[0-9]+)?(?:km|kg|min|h|ml|cm|个|组|页|遍|道|次))$"
)
_COMMA = re.compile(r"[，,]\s*")
_END = re.compile(r"[。！!；;，,]+$")
_HEAD = re.compile(r"^(?P<head>\w{2,5})[，,](?=\w)")

Change = Callable[[str, np.random.Generator], str]


def _without(pattern: re.Pattern[str]) -> Change:
    return lambda text, random: pattern.sub("", text)


def _short_units(text: str, random: np.random.Generator) -> str:
    return _UNIT.sub(lambda found: _UNITS[found[0].strip()], text)


def _amount_apart(text: str, random: np.random.Generator) -> str:
    mark = ("；", "：", " ", "，")[random.integers(4)]
    return _AMOUNT_LAST.sub(lambda found: f"{found['what']}{mark}{found['amount']}", text)


def _heading(text: str, random: np.random.Generator) -> str:
    return _HEAD.sub(lambda found: f"{found['head']}：", text)


def _listed(text: str, random: np.random.Generator) -> str:
    mark = (" + ", "；", "、", "，", " ")[random.integers(5)]
    return _COMMA.sub(mark, text)


_CHANGES: tuple[Change, ...] = (
    _without(_END),
    _without(_SUBJECT),
    _without(_HANDLED),
    _without(_PARTICLES),
    _without(_OF),
    _short_units,
    _amount_apart,
    _heading,
    _listed,
)


@attrs.frozen(kw_only=True)
class Notes(Augmentation):
    """Shortens sentences to notes: 我今晚去跑步5公里。 to 今晚跑步；5km.

    It drops the subject, particles, 把 and 去, and the final mark; writes units as symbols and sets amounts apart; makes a
    heading of a short first clause; joins clauses with the marks of lists. Signs of completion, negations and numbers are kept.

    Args:
        strength: probability of each change that applies, from 0 to 1.
    """

    name: ClassVar[str] = "notes"
    kept: ClassVar[frozenset[str]] = frozenset({COMPLETION, NEGATION})
    strength: float = attrs.field(default=0.6, validator=between(0, 1))

    def drafts(self, text: str, random: np.random.Generator) -> Iterator[str]:
        """See `Augmentation.drafts`."""
        for _ in range(DRAWS):
            draft = text
            for change in _CHANGES:
                if random.random() < self.strength:
                    draft = change(draft, random)
            yield draft
