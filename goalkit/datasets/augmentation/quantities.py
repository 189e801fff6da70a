"""Equivalent notations of quantities, weekdays and times of day: 5公里, 五公里, ５公里, 5km."""

from __future__ import annotations

import re
from collections.abc import Iterator

from goalkit.datasets.augmentation.numerals import NUMERAL, to_chinese, to_digits
from goalkit.datasets.augmentation.replacement import Place

_SAME_UNITS = (
    ("公里", "千米", "km"),
    ("公斤", "千克", "kg"),
    ("个小时", "小时", "个钟头"),
    ("个星期", "周", "个礼拜"),
    ("分钟", "min"),
    ("毫升", "ml"),
    ("厘米", "cm"),
    ("块钱", "元"),
)
_OTHER_UNITS = {
    "个月",
    *"个天年月号日本页篇章节次遍组套道题张份条件斤步字句首集场趟家位人杯碗瓶圈层岁块米万单期课局站间枚颗只双盒包袋",
}
_ORDINALS = {"月", "号", "日"}
_FRACTIONAL = {"斤", "万", "米", *(unit for units in _SAME_UNITS for unit in units)}
_UNITS = "|".join(sorted({unit for units in _SAME_UNITS for unit in units} | _OTHER_UNITS, key=len, reverse=True))
_BOUND = f"0-9０-９{NUMERAL}几半多数A-Za-z./~～\\-–—+×*'’$￥¥%周週期拜"
_QUANTITY = re.compile(
    rf"(?<![{_BOUND}])(?<![0-9０-９][:：])(?P<number>[0-9]+(?:\.[0-9]+)?|[０-９]+|[{NUMERAL}]+(?:点[零一二三四五六七八九]+)?)"
    rf"(?P<space> ?)(?P<unit>(?i:{_UNITS}))"
    rf"(?![0-9０-９半几A-Za-z]|(?<=[万周])[{NUMERAL}]|(?<=周)[末年岁边围日天]|(?<=年)[级代])"
)
_FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")
_HALF_WIDTH = str.maketrans("０１２３４５６７８９", "0123456789")

_EQUAL = (
    ("半小时", "半个小时", "30分钟", "三十分钟"),
    ("一刻钟", "15分钟", "十五分钟"),
    ("一个半小时", "90分钟", "九十分钟", "1.5小时"),
    ("半年", "6个月", "六个月"),
)
_FIXED = re.compile(rf"(?<![{_BOUND}第大小上下前后个])(?:{'|'.join(way for ways in _EQUAL for way in ways)})(?![度报多半])")

_WEEKS = ("周", "星期", "礼拜")
_SUNDAYS = ("周日", "星期日", "星期天", "礼拜天")
_WEEK = re.compile(
    f"{'|'.join(_SUNDAYS)}|(?:{'|'.join(_WEEKS)})(?=[一二三四五六])|(?<=[上下这本每])(?:{'|'.join(_WEEKS)})(?![年末边围日天])"
)

_SPOKEN = re.compile(
    rf"(?<![今明昨每当])(?P<part>早上|上午|下午|晚上)(?P<hour>1?[0-9]|[{NUMERAL}]{{1,2}})点钟?(?P<half>半?)(?![0-9０-９{NUMERAL}刻多差过])"
)
_CLOCK = re.compile(r"(?<![0-9０-９上午晚早:：/.~～\-–—])(?P<hour>1[3-9]|2[0-3])[:：](?P<minute>00|30)(?![0-9:：~～\-–—])")
_HOURS = {"早上": range(5, 12), "上午": range(8, 12), "下午": range(13, 18), "晚上": range(18, 24)}

STEPS = 4
"""Maximum number of smaller values, and of larger ones, for a magnitude."""


def rewritings(text: str, magnitude: float) -> list[Place]:
    """Return the places where a text can be rewritten.

    Args:
        text: a goal.
        magnitude: maximum change of a value, as a share of it; 0 changes only the notation. Values of texts with several
            quantities are not changed, as one may refer to another (读了48页，共50页).
    """
    places: list[Place] = []
    for place in (*_times(text), *_fixed(text), *_weeks(text), *_quantities(text, magnitude)):
        if place.others and all(place.stop <= each.start or each.stop <= place.start for each in places):
            places.append(place)
    return sorted(places, key=lambda place: place.start)


def _place(found: re.Match[str], ways: Iterator[str] | tuple[str, ...] | list[str]) -> Place:
    return Place(found.start(), found.end(), tuple(dict.fromkeys(way for way in ways if way != found.group())))


def _times(text: str) -> Iterator[Place]:
    for found in _SPOKEN.finditer(text):
        digits = to_digits(found["hour"]) if found["hour"][0] in NUMERAL else found["hour"]
        hour = int(digits or 0) + (12 if found["part"] in ("下午", "晚上") else 0)
        if hour in _HOURS[found["part"]]:
            yield _place(found, [f"{hour}:{'30' if found['half'] else '00'}", *_spoken(found["part"], hour, found["half"])])
    for found in _CLOCK.finditer(text):
        hour = int(found["hour"])
        yield _place(found, _spoken("下午" if hour < 18 else "晚上", hour, "半" if found["minute"] == "30" else ""))


def _spoken(part: str, hour: int, half: str) -> list[str]:
    digits = str(hour - 12 if hour > 12 else hour)
    return [f"{part}{digits}点{half}", f"{part}{to_chinese(digits, counting=True)}点{half}"]


def _fixed(text: str) -> Iterator[Place]:
    for found in _FIXED.finditer(text):
        yield _place(found, next(ways for ways in _EQUAL if found.group() in ways))


def _weeks(text: str) -> Iterator[Place]:
    for found in _WEEK.finditer(text):
        yield _place(found, _SUNDAYS if found.group() in _SUNDAYS else _WEEKS)


def _quantities(text: str, magnitude: float) -> list[Place]:
    found = [each for each in _QUANTITY.finditer(text) if _digits(each) is not None]
    return [_place(each, list(_ways(each, text, magnitude if len(found) == 1 else 0.0))) for each in found]


def _digits(found: re.Match[str]) -> str | None:
    """Return the value of a quantity in digits, or None if it should not be rewritten."""
    number, unit = found["number"], found["unit"]
    chinese = number[0] in NUMERAL
    digits = to_digits(number) if chinese else number.translate(_HALF_WIDTH)
    if digits is None or (chinese and digits == "1") or re.match(r"0\d", digits):  # 一个 and 一次 are idioms
        return None
    years = unit == "年" and float(digits) > 10  # 2025年 and 25年 are dates
    return None if years or float(digits) >= 1e5 or ("." in digits and unit not in _FRACTIONAL) else digits


def _ways(found: re.Match[str], text: str, magnitude: float) -> Iterator[str]:
    digits, unit, space = _digits(found) or "", found["unit"], found["space"]
    ordinal = text[: found.start()].endswith("第")
    counting = not ordinal and unit not in _ORDINALS
    yield f"{digits.translate(_FULL_WIDTH)}{space}{unit}"
    for spelling in next((units for units in _SAME_UNITS if unit.lower() in units and not ordinal), (unit,)):
        if not ("." in digits and spelling.startswith("个")):
            yield f"{digits}{space}{spelling}"
        if not spelling.isascii() and not spelling.startswith("千"):  # 五千米 reads as 5000 米
            yield f"{to_chinese(digits, counting=counting)}{spelling}"
    if counting and magnitude:
        for value in _nearby(digits, magnitude):
            yield f"{to_chinese(value, counting=True) if found['number'][0] in NUMERAL else value}{space}{unit}"


def _nearby(digits: str, magnitude: float) -> Iterator[str]:
    """Yield other values, with as many decimals, that differ by at most a share of `magnitude`."""
    whole, point, decimals = digits.partition(".")
    value = int(whole + decimals)
    reach = int(value * magnitude + 1e-9)
    steps = sorted({-(-reach * step // STEPS) for step in range(1, STEPS + 1)} - {0})
    for other in (value + sign * step for sign in (-1, 1) for step in steps):
        written = str(other).zfill(len(decimals) + 1)
        yield f"{written[: -len(decimals)]}.{written[-len(decimals) :]}" if point else written
