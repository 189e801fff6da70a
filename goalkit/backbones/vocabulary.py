"""Vocabularies for encoders trained from scratch: the one that ships, and one made from texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cache
from importlib import resources

from goalkit.tokenization import SPECIAL_TOKENS

MULTIPLE = 32
"""Rows are padded to a multiple of this, so that grouped and blocked weight compression divides the embedding table."""


@cache
def default_vocabulary() -> tuple[str, ...]:
    """The shipped vocabulary: common Chinese characters and their traditional forms, Latin and digit pieces, marks, emoji."""
    text = resources.files("goalkit.resources").joinpath("vocab.txt").read_text(encoding="utf-8")
    return tuple(text.split("\n")[:-1])


def vocabulary_from_texts(texts: Iterable[str]) -> tuple[str, ...]:
    """A vocabulary of whole words in BERT's sense (a Chinese character, a punctuation mark, a Latin or digit run).

    Single Latin letters and digits, alone and as `##` continuations, are always in, so that any such run can be spelt.

    Args:
        texts: training texts. Never give test texts: the vocabulary is learned from them.

    Returns:
        Pieces, most frequent first after the special and single ones, padded to a multiple of 32.
    """
    from tokenizers import normalizers, pre_tokenizers

    normalizer, splitter = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(word for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text)))
    frequent = sorted(counts, key=lambda word: (-counts[word], word))
    pieces = list(dict.fromkeys([*SPECIAL_TOKENS, *single_pieces(), *frequent]))
    return (*pieces, *(f"[unused{number}]" for number in range(-len(pieces) % MULTIPLE)))


def single_pieces() -> list[str]:
    """Latin letters and digits, alone and as continuations."""
    letters = "0123456789abcdefghijklmnopqrstuvwxyz"
    return [*letters, *(f"##{letter}" for letter in letters)]
