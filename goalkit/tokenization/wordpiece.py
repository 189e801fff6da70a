"""WordPiece tokenisation from a `vocab.txt` and plain settings, which any programming language can reproduce."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import numpy as np
import numpy.typing as npt

from goalkit.characters import clean_characters
from goalkit.errors import ConfigurationError, DatasetError, ModelError
from goalkit.tokenization.settings import TokenizerSettings

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

CHUNK = 10_000
"""Texts tokenised at a time. It limits memory: the intermediate results per text are large."""


STARTS = ("a", "1", "✅")
"""Starts of words by which a piece that continues words is tried."""


@attrs.frozen
class TokenBatch:
    """Token ids of N texts, padded to S: two int32 arrays [N, S]; the mask is 1 on tokens and 0 on padding.

    `texts` has the N texts for use in reports, or is empty.
    """

    input_ids: npt.NDArray[np.int32]
    attention_mask: npt.NDArray[np.int32]
    texts: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.input_ids)

    def take(self, rows: npt.NDArray[np.intp], length: int) -> TokenBatch:
        """Return the texts at positions `rows`, cut to `length` tokens."""
        texts = tuple(self.texts[row] for row in rows) if self.texts else ()
        return TokenBatch(self.input_ids[rows, :length], self.attention_mask[rows, :length], texts)


@attrs.frozen(slots=False)
class WordPieceTokenizer:
    """BERT's tokenizer: clean, normalize, split at white space and around punctuation marks, then longest-match pieces.

    Devlin et al., 2019 (arXiv 1810.04805); executed by the `tokenizers` library.

    Args:
        vocabulary: the pieces, in the order of their ids.
        settings: all other settings that affect ids.

    Raises:
        ModelError: the vocabulary lacks a special token or has a repeated or multi-line piece, an added token does not have
            the next free id, or two added tokens are the same once normalized.
    """

    vocabulary: tuple[str, ...] = attrs.field(repr=lambda pieces: f"<{len(pieces)} pieces>")
    settings: TokenizerSettings = attrs.field(factory=TokenizerSettings)

    def __attrs_post_init__(self) -> None:
        settings, known = self.settings, set(self.vocabulary)
        around = {settings.pad_token, settings.cls_token, settings.sep_token}
        if missing := sorted(around - self.ids.keys() | {settings.unk_token} - known):
            raise ModelError(f"the vocabulary lacks {', '.join(missing)}: use the vocab.txt of a BERT tokenizer")
        if len(known) != len(self.vocabulary):
            raise ModelError("the vocabulary has repeated pieces: restore vocab.txt, ids depend on its lines")
        if broken := [piece for piece in self.vocabulary if "\n" in piece or "\r" in piece]:
            raise ModelError(
                f"the vocabulary has the piece {broken[0]!r}, but vocab.txt has one piece per line: use another vocabulary"
            )
        for token in settings.added_tokens:
            if token.id != self.ids[token.content]:
                raise ModelError(
                    f"added token {token.content!r} has the id {token.id}, but should have {self.ids[token.content]}: "
                    "list added tokens by id, and number those outside the vocabulary without gaps"
                )
        forms = {"": ""}
        for content in (token.content for token in settings.added_tokens if token.normalized):
            form = self._backend.normalizer.normalize_str(content)
            if (other := forms.setdefault(form, content)) != content:  # the library would match either of them
                raise ModelError(f"added tokens {other!r} and {content!r} are the same once normalized: remove one of them")

    @classmethod
    def from_file(cls, path: Path, settings: TokenizerSettings | None = None) -> WordPieceTokenizer:
        """Read a `vocab.txt`: UTF-8, one piece per line. Ids are line numbers from 0."""
        try:
            text = path.read_bytes().decode()
        except OSError as error:
            raise ModelError(f"{path} cannot be read ({error.strerror}): check the path") from error
        except UnicodeDecodeError as error:
            raise ModelError(f"{path} is not UTF-8 ({error.reason}): restore the file") from error
        pieces = tuple(text.replace("\r\n", "\n").removesuffix("\n").split("\n"))
        return cls(pieces, settings or TokenizerSettings())

    def file_bytes(self) -> bytes:
        """Return the vocabulary in the format of `vocab.txt`."""
        return ("\n".join(self.vocabulary) + "\n").encode()

    @cached_property
    def _backend(self) -> Tokenizer:
        from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

        settings = self.settings
        backend = Tokenizer(
            models.WordPiece(
                {piece: number for number, piece in enumerate(self.vocabulary)},
                unk_token=settings.unk_token,
                max_input_chars_per_word=settings.max_input_chars_per_word,
                continuing_subword_prefix=settings.continuing_subword_prefix,
            )
        )
        backend.normalizer = normalizers.BertNormalizer(
            clean_text=settings.clean_text,
            handle_chinese_chars=settings.handle_chinese_chars,
            strip_accents=settings.strip_accents,
            lowercase=settings.lowercase,
        )
        backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        added = [attrs.asdict(token, filter=attrs.filters.exclude("id")) for token in settings.added_tokens]
        backend.add_tokens([AddedToken(**each) for each in added])
        return backend

    @cached_property
    def ids(self) -> dict[str, int]:
        """The id of each piece and added token."""
        return {content: number for number, content in enumerate(dict.fromkeys([*self.vocabulary, *self._added]))}

    @property
    def size(self) -> int:
        """Number of token ids: pieces, and added tokens that are not pieces."""
        return len(self.ids)

    @property
    def padding_id(self) -> int:
        """The id of the padding token."""
        return self.ids[self.settings.pad_token]

    @property
    def reserved(self) -> frozenset[str]:
        """The special tokens, BERT's and its own, and the added tokens."""
        settings = self.settings
        own = settings.unk_token, settings.cls_token, settings.sep_token, settings.pad_token
        return frozenset({*SPECIAL_TOKENS, *own, *self._added})

    def pieces(self, text: str) -> list[str]:
        """Split one text into pieces and added tokens, without `[CLS]` and `[SEP]`."""
        return [str(self._backend.id_to_token(number)) for number in self._backend.encode(self._cleaned([text])[0]).ids]

    def encode(self, texts: Sequence[str], length: int | None = None, *, longest: int | None = None) -> TokenBatch:
        """Encode texts as token ids, each text between `[CLS]` and `[SEP]`.

        Args:
            texts: N strings.
            length: S. Longer texts are cut (`[SEP]` is kept), shorter ones padded. Defaults to the longest text.
            longest: upper limit for S if `length` is None.

        Returns:
            int32 ids and mask, [N, S].

        Raises:
            ConfigurationError: `length` is too short for any token.
            DatasetError: a text is not valid Unicode.
        """
        if length is not None and length < 3:
            raise ConfigurationError(f"length is {length}: it must be at least 3, for [CLS], a token and [SEP]")
        rows = list(self._framed(texts, length or longest))
        size = length or max(map(len, rows), default=2)
        ids = np.full((len(rows), size), self.padding_id, dtype=np.int32)
        mask = np.zeros_like(ids)
        for number, row in enumerate(rows):
            ids[number, : len(row)] = row
            mask[number, : len(row)] = 1
        return TokenBatch(ids, mask, tuple(texts))

    def encode_flat(self, texts: Sequence[str], longest: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        """Return the concatenated token ids of N texts, int32 [T], and their token counts, int64 [N], at most `longest` each.

        Raises:
            DatasetError: a text is not valid Unicode.
        """
        ids, lengths = array("i"), array("q")
        for row in self._framed(texts, longest):
            ids.extend(row)
            lengths.append(len(row))
        return np.array(ids, np.int32), np.array(lengths, np.int64)

    def _framed(self, texts: Sequence[str], longest: int | None) -> Iterator[list[int]]:
        """Yield the ids of each text with `[CLS]` and `[SEP]`, at most `longest` in total."""
        start, end = self.ids[self.settings.cls_token], self.ids[self.settings.sep_token]
        most = None if longest is None else longest - 2
        for first in range(0, len(texts), CHUNK):
            chunk = list(texts[first : first + CHUNK])
            for text in chunk:
                if any("\ud800" <= character <= "\udfff" for character in text):
                    raise DatasetError(f"{text!r} is not valid Unicode: read it with the right encoding")
            for encoding in self._backend.encode_batch_fast(self._cleaned(chunk)):
                yield [start, *encoding.ids[:most], end]

    def _cleaned(self, texts: Sequence[str]) -> list[str]:
        steps = self.settings.cleaning
        return [clean_characters(text, steps) for text in texts] if steps else list(texts)

    def reachable(self) -> list[str]:
        """Return the pieces that some text is split into, in the order of their ids, and the special and added tokens.

        Others are never the result: BERT's tokenizer puts spaces around Chinese characters and punctuation marks, so that no
        `##汉` and no `[unused1]` can be, and changes the case and width of some characters.
        """
        kept = self.reserved
        return [piece for piece in self.vocabulary if piece in kept or self._is_word(piece) or self._continues_words(piece)]

    def with_pieces(self, pieces: Sequence[str]) -> WordPieceTokenizer:
        """Return the tokenizer with some of its pieces only, which get new ids, in this order; added tokens are kept."""
        ids = {content: number for number, content in enumerate(dict.fromkeys([*pieces, *self._added]))}
        added = [attrs.evolve(token, id=ids[token.content]) for token in self.settings.added_tokens]
        added.sort(key=lambda token: token.id)
        return WordPieceTokenizer(tuple(pieces), attrs.evolve(self.settings, added_tokens=tuple(added)))

    def _is_word(self, text: str) -> bool:
        """Whether a text remains one word, unchanged, before it is split into pieces."""
        if len(text) > self.settings.max_input_chars_per_word:
            return False
        normal = self._backend.normalizer.normalize_str(self._cleaned([text])[0])
        return [word for word, _ in self._backend.pre_tokenizer.pre_tokenize_str(normal)] == [text]

    def _continues_words(self, piece: str) -> bool:
        body = piece.removeprefix(self.settings.continuing_subword_prefix)
        return body not in ("", piece) and any(self._is_word(start + body) for start in STARTS)

    @property
    def _added(self) -> list[str]:
        return [token.content for token in self.settings.added_tokens]

    def unknown_share(self, texts: Sequence[str]) -> float:
        """Return the share, 0 to 1, of pieces in `texts` that are unknown."""
        unknown, rows = self.ids[self.settings.unk_token], self._backend.encode_batch(self._cleaned(texts))
        total = sum(len(row.ids) for row in rows)
        return sum(row.ids.count(unknown) for row in rows) / total if total else 0.0
