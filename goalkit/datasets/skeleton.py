"""The skeleton of a goal: its text with numbers and dates masked, and without punctuation and emoji.

跑步5公里 and 跑步３公里！ have the same skeleton. Rows with the same skeleton are in the same part of every split.
"""

from __future__ import annotations

import re
import unicodedata

_NUMERAL = "0-9零〇一二两三四五六七八九十百千万亿半"
_NUMBER = rf"[{_NUMERAL}]+(?:[.,:：/~-][{_NUMERAL}]+)*%?"
_RELATIVE_DATE = "[今明后昨前][天晚早日]|[本这下上]个?[周月]末?|周末|今年|明年|去年"
_DATE = rf"(?:{_NUMBER}[年月日号点])+(?:{_NUMBER})?|(?:周|星期|礼拜)[{_NUMERAL}天日]|{_RELATIVE_DATE}"
_MASKED = re.compile(rf"{_DATE}|{_NUMBER}")
_MARKS = re.compile(r"[^\w#]+|_+")
_MASKS = re.compile("##+")


def skeleton(text: str) -> str:
    """Replace each number or date in `text` by `#`, and drop all but letters and Chinese characters."""
    masked = _MASKED.sub("#", unicodedata.normalize("NFKC", text).lower())
    return _MASKS.sub("#", _MARKS.sub("", masked))
