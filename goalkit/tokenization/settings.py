"""Settings of WordPiece, as stored in a model's `config.json` and a bundle's `manifest.json`."""

from __future__ import annotations

import attrs

from goalkit.characters import STEPS, clean_characters
from goalkit.configuration import one_of


@attrs.frozen(kw_only=True)
class AddedToken:
    """A string that always becomes a single token, without being split by WordPiece.

    Args:
        id: its token id: its line in the vocabulary or, if it has none, the next free id.
        content: the string.
        single_word: match only if no letter, mark, digit or underscore comes directly before or after it.
        lstrip: also consume white space before it.
        rstrip: also consume white space after it.
        normalized: match its normalized form in the normalized text, rather than the string in the original text.
    """

    id: int
    content: str
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool = False


@attrs.frozen(kw_only=True)
class TokenizerSettings:
    """How texts become tokens. Names and meanings are those of `tokenizer.json`, defaults those of bert-base-chinese.

    Args:
        lowercase: lower-case the text.
        strip_accents: decompose characters (NFD) and drop nonspacing marks; defaults to `lowercase`.
        handle_chinese_chars: put spaces around every Chinese character.
        clean_text: drop control, format and private-use characters, and turn white space into spaces.
        continuing_subword_prefix: prefix of pieces that continue a word.
        max_input_chars_per_word: longer words become `unk_token`.
        unk_token: the piece for unknown words.
        cls_token: the token before each text.
        sep_token: the token after each text.
        pad_token: the token for padding.
        added_tokens: strings that are matched before WordPiece splits the rest.
        cleaning: names of steps of `goalkit.characters` by which texts are cleaned before all else.
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
    cleaning: tuple[str, ...] = attrs.field(default=(), validator=attrs.validators.deep_iterable(one_of(*STEPS)))

    @strip_accents.default
    def _as_lowercase(self) -> bool:
        return self.lowercase

    def with_cleaning(self) -> TokenizerSettings:
        """Return the settings with every step of cleaning that leaves the added tokens as they are."""
        added = [token.content for token in self.added_tokens]
        kept = (name for name in STEPS if all(clean_characters(content, [name]) == content for content in added))
        return attrs.evolve(self, cleaning=tuple(kept))
