"""Cleaning one text."""

from __future__ import annotations

import re
import unicodedata

_DROPPED = {"Cc", "Cf", "Cs", "Co"}
_JOINER = "\u200d"  # joins emoji into one picture; dropping it would change what is seen


def clean_text(text: str) -> str:
    """Drop control and invisible characters, compose the rest (NFC), and make every run of white space one space."""
    spaced = re.sub(r"\s", " ", text)
    kept = "".join(each for each in spaced if each == _JOINER or unicodedata.category(each) not in _DROPPED)
    return re.sub(r"\s+", " ", unicodedata.normalize("NFC", kept)).strip(f" {_JOINER}")
