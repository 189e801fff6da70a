"""Cleaning one text."""

from __future__ import annotations

import re
import unicodedata

_DROPPED = {"Cc", "Cf", "Cs", "Co", "Cn"}
_JOINER = "\u200d"  # joins emoji into one picture; dropping it would change what is seen


def clean_text(text: str) -> str:
    """Compose characters (NFC), drop control and invisible ones, and make every run of white space one space."""
    spaced = re.sub(r"\s+", " ", unicodedata.normalize("NFC", text))
    kept = "".join(each for each in spaced if each == _JOINER or unicodedata.category(each) not in _DROPPED)
    return re.sub(r" +", " ", kept).strip(f" {_JOINER}")
