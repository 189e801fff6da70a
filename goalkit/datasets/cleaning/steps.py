"""The cleaning steps. Each takes a text and returns the cleaned text."""

from __future__ import annotations

import html
import re
from functools import cache
from html.entities import html5
from typing import Any

from goalkit.datasets.characters import compose as compose
from goalkit.datasets.characters import drop_invisible as drop_invisible
from goalkit.datasets.characters import tidy_space as tidy_space
from goalkit.errors import ConfigurationError

_HAN = re.compile("[\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U000323af]")

_ORDINARY = re.compile(r"[\t\n\r -~·×—‘’“”…\u2e80-\u9fff\uf900-\ufaff\ufe30-\uffef\U0001f000-\U0001faff]*")
"""Texts without mojibake of Chinese: UTF-8 read byte by byte always gives some other characters."""


def repair_mojibake(text: str) -> str:
    """Undo UTF-8 that was read as a single-byte encoding: è¯»ä¹¦ for 读书 (ftfy's `fix_encoding`)."""
    if _ORDINARY.fullmatch(text):
        return text
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


_ALPHANUMERIC = "0-9A-Za-z０-９Ａ-Ｚａ-ｚ"
_WIDE = re.compile(rf"[０-９Ａ-Ｚａ-ｚ]+|(?<=[{_ALPHANUMERIC}])[％＋－．／＠＿]+|[％＋－．／＠＿]+(?=[{_ALPHANUMERIC}])")
_NARROW = {ordinary + 0xFEE0: ordinary for ordinary in range(0x21, 0x7F)}


def narrow(text: str) -> str:
    """Convert full-width letters, digits and adjacent signs to half width; （－＿－）， is unchanged."""
    return _WIDE.sub(lambda found: found[0].translate(_NARROW), text)


def simplify(text: str) -> str:
    """Convert traditional characters to simplified ones (OpenCC's t2s)."""
    simplified: str = _opencc().convert(text)
    return simplified


@cache
def _opencc() -> Any:
    try:
        from opencc import OpenCC
    except ImportError as error:
        raise ConfigurationError(
            "simplifying characters needs opencc-python-reimplemented, which is missing: install goalkit[data], or keep them"
        ) from error
    return OpenCC("t2s")


_ELLIPSIS = re.compile(r"(?:…|\.{3,}|。{3,}){2,}|\.{3,}|。{3,}")
_DASH = re.compile("—{3,}")
_REPEATED = re.compile(r"([！!？?，,。、；：～~·])\1+")


def calm_punctuation(text: str) -> str:
    """Reduce runs of a mark to one (！！！！ to ！), three or more full stops to ……, long dashes to ——; not emoji."""
    return _REPEATED.sub(r"\1", _DASH.sub("——", _ELLIPSIS.sub("……", text)))
