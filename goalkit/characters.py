"""Cleaning steps that any text needs: invisible, decomposed and full-width characters, repeated marks, white space.

They are applied to training texts and to what a model is asked, also on a phone: each is a few substitutions.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_INVISIBLE = re.compile(
    "["
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f"  # control characters that are not white space
    "\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b\u200c\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    "\ufff0-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"  # format characters, except the joiner
    "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"  # letters, marks and a Braille pattern without a shape
    "\u180b-\u180d\u180f\ufe00-\ufe0d"  # variation selectors other than those of emoji
    "\ud800-\udfff\ue000-\uf8ff\U000f0000-\U0010ffff"  # surrogates and private use
    "]"
)
_SIGNS = "\u2100-\u2bff\U0001f000-\U0001faff"
_MISPLACED = re.compile(
    rf"(?<![{_SIGNS}\ufe0f])\u200d|\u200d(?![{_SIGNS}])"
    rf"|(?<![©®\u203c\u2049\u3030\u303d\u3297\u3299{_SIGNS}])[\ufe0e\ufe0f](?!\u20e3)"
)


def drop_invisible(text: str) -> str:
    """Drop control, zero-width, format and private-use characters and lone surrogates, but keep white space.

    Zero-width joiners between emoji, and variation selectors after characters with a text and an emoji style, are kept, as
    they affect what is displayed.
    """
    return text if text.isprintable() and text.isascii() else _MISPLACED.sub("", _INVISIBLE.sub("", text))


def compose(text: str) -> str:
    """Convert to Unicode's composed form, NFC (Unicode Standard Annex 15)."""
    return unicodedata.normalize("NFC", text)


_ALPHANUMERIC = "0-9A-Za-z０-９Ａ-Ｚａ-ｚ"
_WIDE = re.compile(rf"[０-９Ａ-Ｚａ-ｚ]+|(?<=[{_ALPHANUMERIC}])[％＋－．／＠＿]+|[％＋－．／＠＿]+(?=[{_ALPHANUMERIC}])")
_NARROW = {ordinary + 0xFEE0: ordinary for ordinary in range(0x21, 0x7F)}


def narrow(text: str) -> str:
    """Convert full-width letters, digits and adjacent signs to half width; （－＿－）， is unchanged."""
    return _WIDE.sub(lambda found: found[0].translate(_NARROW), text)


_ELLIPSIS = re.compile(r"(?:…|\.{3,}|。{3,}){2,}|\.{3,}|。{3,}")
_DASH = re.compile("—{3,}")
_REPEATED = re.compile(r"([！!？?，,。、；：～~·])\1+")


def calm_punctuation(text: str) -> str:
    """Reduce runs of a mark to one (！！！！ to ！), three or more full stops to ……, long dashes to ——; not emoji."""
    return _REPEATED.sub(r"\1", _DASH.sub("——", _ELLIPSIS.sub("……", text)))


def tidy_space(text: str) -> str:
    """Replace each run of white space by one space, and strip the ends."""
    return " ".join(text.split())


STEPS = {
    "invisible": drop_invisible,
    "composition": compose,
    "width": narrow,
    "punctuation": calm_punctuation,
    "space": tidy_space,
}
"""The steps by name, in order of application."""

PASSES = 64
"""Maximum number of passes. Two are enough for ordinary texts; only adversarial ones need more."""


def clean_characters(text: str, steps: Iterable[str] = tuple(STEPS)) -> str:
    """Apply steps by name, again until nothing changes."""
    functions = [STEPS[name] for name in steps]
    for _ in range(PASSES):
        before = text
        for function in functions:
            text = function(text)
        if text == before:
            break
    return text
