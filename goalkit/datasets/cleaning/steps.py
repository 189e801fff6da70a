"""The cleaning steps that repair texts from files; those that any text needs are in `goalkit.characters`."""

from __future__ import annotations

import html
import re
from functools import cache
from html.entities import html5
from typing import Any

from goalkit.extras import extra

_HAN = re.compile("[\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U000323af]")

_ORDINARY = re.compile(r"[\t\n\r -~·×—‘’“”…\u2e80-\u9fff\uf900-\ufaff\ufe30-\uffef\U0001f000-\U0001faff]*")
"""Texts without mojibake of Chinese: UTF-8 read byte by byte always gives some other characters."""


def repair_mojibake(text: str) -> str:
    """Undo UTF-8 that was read as a single-byte encoding: è¯»ä¹¦ for 读书 (ftfy's `fix_encoding`)."""
    if _ORDINARY.fullmatch(text):
        return text
    with extra("data"):
        import ftfy

    return ftfy.fix_encoding(text)


_BLOCKS = (
    "address|article|blockquote|br|dd|div|dl|dt|footer|h[1-6]|header|hr|li|main|ol|p|pre|section|table|tbody|td|th|thead|tr|ul"
)
_INLINE = (
    "a|abbr|b|big|body|button|center|code|del|em|font|form|head|html|i|iframe|img|input|ins|kbd|label|link|mark|meta|nav|option|q|s|"
    "script|select|small|span|strike|strong|style|sub|sup|textarea|title|tt|u|video|wbr"
)
_ATTRIBUTES = r"""(?:\s+[\w:@-]+\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'<>]+))*\s*"""
_MARKUP = re.compile(
    rf"<!--(?:(?!<!--).)*?-->|<!doctype\b[^<>]*>|<(?P<raw>script|style){_ATTRIBUTES}>(?:(?!<(?P=raw)).)*?</(?P=raw)\s*>"
    rf"|</?(?:(?P<block>{_BLOCKS})|{_INLINE}){_ATTRIBUTES}/?>",
    re.IGNORECASE | re.DOTALL,
)
_ESCAPED_AMPERSAND = re.compile("&(?:amp;)+")
_ENTITY = re.compile("&(?:#(?:[0-9]{1,7}|x[0-9a-f]{1,6})|[a-z][a-z0-9]{1,30});", re.IGNORECASE)


def strip_html(text: str) -> str:
    """Drop tags, comments, scripts and styles, and decode entities, even if escaped repeatedly.

    Only HTML elements count as tags, so 读完<Python入门> is unchanged. Tags are kept if all Chinese characters are inside
    them.
    """
    before = None
    while text != before and ("<" in text or "&" in text):
        before = text
        bare = _MARKUP.sub(lambda found: " " if found["block"] else "", text)
        if _HAN.search(bare) or not _HAN.search(text):
            text = bare
        text = _ENTITY.sub(_decode, _ESCAPED_AMPERSAND.sub("&", text))
    return text


def _decode(entity: re.Match[str]) -> str:
    name = entity[0][1:]
    return html.unescape(entity[0]) if name[0] == "#" or name in html5 else entity[0]


def simplify(text: str) -> str:
    """Convert traditional characters to simplified ones (OpenCC's t2s)."""
    simplified: str = _opencc().convert(text)
    return simplified


@cache
def _opencc() -> Any:
    with extra("data"):
        from opencc import OpenCC
    return OpenCC("t2s")
