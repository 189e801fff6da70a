"""Checks of texts: encoding errors, length, and unknown characters and tokens."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np

from goalkit.datasets.quality.figures import Lengths
from goalkit.datasets.quality.limits import QualityLimits
from goalkit.datasets.quality.report import SHOWN, Check, Example, at_most, shortened
from goalkit.extras import extra
from goalkit.tokenization import WordPieceTokenizer

_CHINESE = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_JOINER = "\u200d"
_BINS = 24


def text_checks(texts: Sequence[str], cleaned: Sequence[str], limits: QualityLimits) -> tuple[Check, ...]:
    """Check N texts, given also as cleaned, without their labels."""

    def check(name: str, limit: float, found: Iterable[bool], detail: str) -> Check:
        rows = [row for row, matches in enumerate(found) if matches]
        examples = [Example(shortened(texts[row]), row=row + 1) for row in rows[:SHOWN]]
        return at_most(name, len(rows) / len(texts), limit, f"{len(rows):,} {detail}", examples=examples)

    return (
        check("empty texts", limits.empty, (not text for text in cleaned), "without a visible character"),
        check("garbled texts", limits.garbled, map(garbled, texts), "read with a wrong encoding, or with characters lost"),
        check("invisible characters", limits.invisible, map(_has_invisible, texts), "with control or invisible characters"),
        check(
            "no Chinese",
            limits.not_chinese,
            (not _CHINESE.search(text) for text in texts),
            "without any Chinese character",
        ),
        check(
            "too long",
            limits.too_long,
            (len(text.strip()) > limits.longest for text in texts),
            f"of more than {limits.longest} characters",
        ),
    )


def garbled(text: str) -> bool:
    """Whether a text looks like it was read with a wrong encoding.

    `ftfy.badness` detects UTF-8 read as a Western encoding, but not UTF-8 read as GBK, which gives rare Chinese characters.
    Those turn back into Chinese when re-encoded; real texts have at most a character or two that do.
    """
    with extra("data"):
        from ftfy.badness import is_bad

    if "\ufffd" in text or "锟斤拷" in text or is_bad(text):
        return True
    mistaken = text.encode("gb18030")
    foreign = sum(byte > 127 for byte in mistaken)
    undone = _CHINESE.findall(mistaken.decode("utf-8", "ignore"))
    return len(undone) > 1 and 3 * len(undone) >= 0.7 * foreign


def _has_invisible(text: str) -> bool:
    return any(map(_invisible, set(text)))


@cache
def _invisible(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cf", "Co"} and character != _JOINER and not character.isspace()


def lengths_of(texts: Sequence[str]) -> Lengths:
    """Return statistics of the lengths of N texts, and a histogram up to slightly above the 95th percentile."""
    lengths = np.sort([len(text.strip()) for text in texts])
    percentile = int(np.percentile(lengths, 95, method="higher"))
    width = max(1, -(-int(1.25 * percentile) // _BINS))
    bins = np.bincount(np.minimum(lengths // width, _BINS - 1), minlength=1)
    return Lengths(
        minimum=int(lengths[0]),
        median=int(np.median(lengths)),
        percentile_95=percentile,
        maximum=int(lengths[-1]),
        width=width,
        bins=tuple(bins.tolist()),
    )


def vocabulary_checks(
    texts: Sequence[str], sample: Sequence[str], tokenizer: WordPieceTokenizer | None, limits: QualityLimits
) -> tuple[Check, ...]:
    """Check for characters of all texts, and tokens of a sample, that are unknown to a vocabulary."""
    names = ("unknown characters", "unknown tokens")
    if tokenizer is None:
        return tuple(
            at_most(name, None, limit, "no vocabulary was named")
            for name, limit in zip(names, (limits.unknown_characters, limits.unknown_pieces), strict=True)
        )
    counts = Counter("".join(texts))
    known = {character: tokenizer.pieces(character) for character in counts}
    total = sum(count for character, count in counts.items() if known[character])
    unknown = {character: counts[character] for character, pieces in known.items() if pieces == ["[UNK]"]}
    common = sorted(unknown, key=lambda character: (-unknown[character], character))
    examples = [Example(character, f"{unknown[character]:,} times") for character in common[: 4 * SHOWN]]
    share = sum(unknown.values()) / total if total else 0.0
    pieces = tokenizer.unknown_share(sample)
    detail = f"{len(unknown):,} distinct ones, {sum(unknown.values()):,} in total, are not in the vocabulary"
    return (
        at_most(names[0], share, limits.unknown_characters, detail, examples=examples),
        at_most(names[1], pieces, limits.unknown_pieces, f"of the tokens of {len(sample):,} texts are [UNK]"),
    )
