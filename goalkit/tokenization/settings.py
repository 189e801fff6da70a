"""What WordPiece does besides looking pieces up, as a model's `config.json` and a bundle's `manifest.json` hold it."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class AddedToken:
    """A string that is one token wherever a text holds it, whatever WordPiece would make of it.

    Args:
        id: its token id: its line in the vocabulary, or, if it has none, the next number after all others.
        content: the string.
        single_word: only where no letter, mark, digit or underscore stands directly before or after it.
        lstrip: it takes in white space before it.
        rstrip: it takes in white space after it.
        normalized: its normalized form is looked for in the normalized text; otherwise itself in the text as it is given.
    """

    id: int
    content: str
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool = False


@attrs.frozen(kw_only=True)
class TokenizerSettings:
    """How texts become tokens; names and meanings are those of `tokenizer.json`, defaults those of bert-base-chinese.

    Args:
        lowercase: lower-case the text.
        strip_accents: decompose characters (NFD) and drop nonspacing marks; by default as `lowercase`.
        handle_chinese_chars: put spaces around every Chinese character.
        clean_text: drop control, format and private-use characters, and turn white space into spaces.
        continuing_subword_prefix: what pieces that continue a word start with.
        max_input_chars_per_word: words with more characters are unknown.
        unk_token: the piece for unknown words.
        cls_token: the token before each text.
        sep_token: the token after each text.
        pad_token: the token that fills up.
        added_tokens: strings that are found in texts before WordPiece splits the rest.
    """

    lowercase: bool = True
    strip_accents: bool = attrs.field()
    handle_chinese_chars: bool = True
    clean_text: bool = True
    continuing_subword_prefix: str = "##"
    max_input_chars_per_word: int = 100
    unk_token: str = "[UNK]"
    cls_token: str = "[CLS]"
    sep_token: str = "[SEP]"
    pad_token: str = "[PAD]"
    added_tokens: tuple[AddedToken, ...] = ()

    @strip_accents.default
    def _as_lowercase(self) -> bool:
        return self.lowercase
