"""Split texts into words with jieba."""

from __future__ import annotations

import logging
import tempfile
import warnings
from functools import cache
from typing import Any

from goalkit.extras import extra


def words_of(text: str) -> list[str]:
    """Return the words of a text. Joined, they equal the text."""
    return list(_tokenizer().cut(text))


@cache
def _tokenizer() -> Any:
    """Create a tokenizer. jieba's default one leaves a cache file in the shared temporary folder, which it later trusts."""
    with extra("data"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="invalid escape sequence")
        warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
        import jieba
    tokenizer, log = jieba.Tokenizer(), logging.getLogger("jieba")
    level = log.level
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.tmp_dir = folder
        log.setLevel(logging.ERROR)  # it logs to stderr through its own handler
        try:
            tokenizer.initialize()
        finally:
            log.setLevel(level)
    return tokenizer
