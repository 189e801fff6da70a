"""Convert numbers between digits and Chinese characters: 1050.5 and 一千零五十点五."""

from __future__ import annotations

import re

DIGITS = "零一二三四五六七八九"
NUMERAL = "零〇一二两三四五六七八九十百千万亿"
"""The characters of whole numbers."""

_PLACES = ("", "十", "百", "千")
_GROUPS = ("", "万", "亿")
_UNITS = {"十": 10, "百": 100, "千": 1000}


def to_chinese(digits: str, *, counting: bool = False) -> str:
    """Write a number below 10¹² in characters, with decimals digit by digit.

    Args:
        digits: a number such as "105" or "10.02", without leading zeros.
        counting: write 2 as 两, as for counted things (两个, 两千米); otherwise as 二 (第二).
    """
    whole, _, decimals = digits.partition(".")
    groups = [whole[max(0, stop - 4) : stop] for stop in range(len(whole), 0, -4)]
    written = ""
    for place in reversed(range(len(groups))):
        group = int(groups[place])
        if group:
            gap = written and (group < 1000 or not int(groups[place + 1]))
            written += ("零" if gap else "") + _group(group) + _GROUPS[place]
    if written.startswith("一十"):
        written = written[1:]
    if counting:
        written = "两" if written == "二" and not decimals else re.sub("(?<![十百千零])二(?=[百千万亿])", "两", written)
    tail = "点" + "".join(DIGITS[int(digit)] for digit in decimals) if decimals else ""
    return (written or DIGITS[0]) + tail


def to_digits(chinese: str) -> str | None:
    """Write a full number, such as 两千一百 or 十点零二, in digits. Returns None for others, such as 三四 or 二〇二四."""
    plain = chinese.replace("两", "二").replace("〇", "零")
    whole, point, decimals = plain.partition("点")
    if not re.fullmatch(f"[{NUMERAL}]+", whole) or (point and not re.fullmatch(f"[{DIGITS}]+", decimals)):
        return None
    digits = str(_value(whole)) + "".join([".", *(str(DIGITS.index(each)) for each in decimals)] if point else [])
    return digits if to_chinese(digits) == plain else None


def _group(value: int) -> str:
    """Write a number from 1 to 9999 in characters."""
    written = ""
    for place in reversed(range(4)):
        digit = value // 10**place % 10
        if digit:
            written += DIGITS[digit] + _PLACES[place]
        elif written and value % 10**place:
            written += "" if written.endswith("零") else "零"
    return written


def _value(whole: str) -> int:
    total, group, digit = 0, 0, 0
    for character in whole:
        if character in DIGITS:
            digit = DIGITS.index(character)
        elif character in _UNITS:
            group, digit = group + (digit or 1) * _UNITS[character], 0
        else:
            total, group, digit = total + (group + digit) * 10 ** (4 * _GROUPS.index(character)), 0, 0
    return total + group + digit
