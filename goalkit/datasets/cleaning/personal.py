"""Mask personal data: links, e-mail addresses, telephone numbers, numbers of identity and bank cards.

Data are found by their form only. Names, street addresses and numbers in characters are not found.
"""

from __future__ import annotations

import re

ADDRESS, EMAIL, TELEPHONE, DOCUMENT = "[网址]", "[邮箱]", "[电话]", "[证件]"

_PATH = r"[\w!#$%&()*+,\-./:;=?@~]"
_LINK = re.compile(rf"(?:(?:https?|ftp)[:：](?://)?|\bwww\.){_PATH}*[\w#$%&*+/=@~-]", re.IGNORECASE | re.ASCII)
_EMAIL = re.compile(r"(?<![\w.%+-])[\w.%+-]++@[a-z0-9-]+(?:\.[a-z0-9-]+)+", re.IGNORECASE | re.ASCII)
_DOMAIN = re.compile(
    rf"(?<![\w@.-])(?:[a-z0-9-]{{1,63}}\.)+(?:com|cn|edu|gov|org)(?![\w-])(?::\d+)?(?:/(?:{_PATH}*[\w#$%&*+/=@~-])?)?",
    re.IGNORECASE | re.ASCII,
)

_GAP = r"[ .·\-‐-―]{0,3}"
_COUNTRY = rf"(?:[(（](?:\+|00)86[)）]|(?:\+|00)86){_GAP}"
_AREA = r"(?:10|2\d|[3-9]\d\d)"
_MOBILE = rf"(?:{_COUNTRY}|86{_GAP})?0?(?:1[3-9]\d(?:{_GAP}\d{{4}}){{2}}|1[3-9]\d\d{_GAP}\d{{3}}{_GAP}\d{{4}})(?!\d)"
_LANDLINE = (
    rf"(?:{_COUNTRY}(?:[(（]0?{_AREA}[)）]|0?{_AREA})|[(（]0{_AREA}[)）]|0{_AREA}){_GAP}"
    rf"[2-9]\d{{2,3}}{_GAP}\d{{4}}(?!\d)(?:[-转]\d{{1,6}})?"
)
_TELEPHONE = re.compile(rf"(?<!\d)(?:{_MOBILE}|{_LANDLINE})")
"""Mobile numbers and landlines with area code. Eight digits without one may well be a date."""

_DOCUMENT = re.compile(
    rf"(?<!\d)(?:(?!(\d)\1{{15}})\d{{16,}}+(?:x(?![a-z]))?|[1-9]\d{{5}}{_GAP}(?:19|20)\d{{6}}{_GAP}\d{{3}}[\dx](?![\da-z]))",
    re.IGNORECASE,
)
"""At least 16 digits, except 6666666666666666, which is applause. Identity numbers may be in three groups."""
_CARD_IN_GROUPS = re.compile(r"(?<!\d)(?!\d{3}0(?:[ -]\d{3}0){3})(\d{4}([ -])\d{4}\2\d{4}\2\d{4})(\2\d{1,3})?(?!\d)")


def mask_personal(text: str) -> str:
    """Replace links, e-mail addresses, telephone and document numbers by `[网址]`, `[邮箱]`, `[电话]`, `[证件]`."""
    if "." in text or "//" in text:
        text = _LINK.sub(ADDRESS, text)
        text = _EMAIL.sub(EMAIL, text)
        text = _DOMAIN.sub(ADDRESS, text)
    text = _DOCUMENT.sub(DOCUMENT, text)
    text = _CARD_IN_GROUPS.sub(_mask_card, text)
    return _TELEPHONE.sub(TELEPHONE, text)


def _mask_card(found: re.Match[str]) -> str:
    """Mask only numbers with the check digit of a bank card (ISO/IEC 7812-1): four groups may also be four years."""
    if _checks(found[0]):
        return DOCUMENT
    return DOCUMENT + (found[3] or "") if _checks(found[1]) else found[0]


def _checks(number: str) -> bool:
    digits = [int(each) for each in reversed(number) if each.isdecimal()]
    return sum(sum(divmod(digit * (1 + place % 2), 10)) for place, digit in enumerate(digits)) % 10 == 0
