"""Convert the tokenizer of a checkpoint, exactly or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goalkit.errors import ModelError
from goalkit.extras import extra
from goalkit.tokenization.probes import probe_texts
from goalkit.tokenization.settings import AddedToken, TokenizerSettings
from goalkit.tokenization.wordpiece import WordPieceTokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PARTS = {"model": "WordPiece", "normalizer": "BertNormalizer", "pre_tokenizer": "BertPreTokenizer"}
"""The supported types of the parts of `tokenizer.json`."""

ADVICE = "goalkit supports BERT's WordPiece tokenizers only; choose a checkpoint that has one"

LENGTH = 32
"""Length in tokens for comparing two tokenizers. It is short so that truncation is compared as well."""


def load_wordpiece(source: str | Path) -> WordPieceTokenizer:
    """Load the tokenizer of a checkpoint, from a folder or by its hub name.

    Raises:
        ModelError: there is none, or it cannot be reproduced exactly.
    """
    with extra("export"):
        from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(source)
    except Exception as error:  # transformers raises many types, also for missing packages
        reason = str(error).strip().split("\n")[0]
        raise ModelError(f"the tokenizer of {os.fspath(source)} cannot be loaded ({reason}): {ADVICE}") from error
    return wordpiece_from_transformers(tokenizer, os.fspath(source))


def wordpiece_from_transformers(tokenizer: PreTrainedTokenizerBase, source: str) -> WordPieceTokenizer:
    """Convert the tokenizer of a checkpoint to a `WordPieceTokenizer` with the same ids.

    Args:
        tokenizer: as `transformers.AutoTokenizer` loads it.
        source: name of the checkpoint in error messages.

    Raises:
        ModelError: it cannot be reproduced exactly: its model is not WordPiece, it has a part that BERT's tokenizer does not
            have, texts are not enclosed in one token on each side, or ids differ on a probe text.
    """
    parts = _parts(tokenizer, source)
    model, normalizer = parts["model"], parts["normalizer"]
    start, end = _frame(parts["post_processor"], source)
    if len(model["vocab"]) <= len(tokenizer.all_special_tokens):  # transformers invents a tokenizer if files are missing
        raise ModelError(f"{source} has a tokenizer with special tokens only: restore its vocab.txt or tokenizer.json")
    if tokenizer.pad_token is None:
        raise ModelError(f"{source} has a tokenizer without padding: set its pad_token in tokenizer_config.json")
    strip_accents = normalizer["strip_accents"]
    added = ({name: value for name, value in token.items() if name != "special"} for token in parts["added_tokens"])
    settings = TokenizerSettings(
        lowercase=normalizer["lowercase"],
        strip_accents=normalizer["lowercase"] if strip_accents is None else strip_accents,
        handle_chinese_chars=normalizer["handle_chinese_chars"],
        clean_text=normalizer["clean_text"],
        continuing_subword_prefix=model["continuing_subword_prefix"],
        max_input_chars_per_word=model["max_input_chars_per_word"],
        unk_token=model["unk_token"],
        cls_token=start,
        sep_token=end,
        pad_token=tokenizer.pad_token,
        added_tokens=tuple(AddedToken(**token) for token in added),
    )
    by_id = {number: piece for piece, number in model["vocab"].items()}
    # a repeated piece has the later id only; words have no brackets, so the placeholder is never matched
    pieces = tuple(by_id.get(number, f"[no piece {number}]") for number in range(max(by_id) + 1))
    try:
        taken = WordPieceTokenizer(pieces, settings)
    except ModelError as error:
        raise ModelError(f"{source}: {error}") from error
    _compare(tokenizer, taken, source)
    return taken


def _parts(tokenizer: PreTrainedTokenizerBase, source: str) -> dict[str, Any]:
    """Return the content of `tokenizer.json`, after checking that every part is supported."""
    try:
        parts: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())
    except Exception as error:  # no backend, or a part written in Python, which raises a plain Exception
        kind = type(tokenizer).__name__
        raise ModelError(f"{source} has a {kind}, which splits texts with custom code: {ADVICE}") from error
    for name, wanted in PARTS.items():
        found = (parts[name] or {"type": "None"})["type"]
        if found != wanted:
            raise ModelError(f"{source} has a tokenizer whose {name} is {found}, not {wanted}: {ADVICE}")
    return parts


def _frame(post_processor: dict[str, Any] | None, source: str) -> tuple[str, str]:
    """Return the tokens before and after each text."""
    match post_processor:
        case {
            "type": "TemplateProcessing",
            "single": [
                {"SpecialToken": {"id": str(start), "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": str(end), "type_id": 0}},
            ],
        }:
            return start, end
        case {"type": "BertProcessing" | "RobertaProcessing", "cls": [str(start), _], "sep": [str(end), _]}:
            return start, end
    raise ModelError(f"{source} has a tokenizer that does not encode texts as [CLS] text [SEP] with token type 0: {ADVICE}")


def _compare(theirs: PreTrainedTokenizerBase, ours: WordPieceTokenizer, source: str) -> None:
    """Raise ModelError unless both give the same ids, as `tokenizer.json` does not have all settings of transformers."""
    texts = probe_texts(ours.settings)
    wanted = theirs(texts, truncation=True, max_length=LENGTH)["input_ids"]
    batch = ours.encode(texts, LENGTH)
    for text, right, ids, mask in zip(texts, wanted, batch.input_ids, batch.attention_mask, strict=True):
        if (found := ids[: int(mask.sum())].tolist()) != right:
            raise ModelError(f"{source} has a {type(theirs).__name__} that encodes {text!r} as {right}, not {found}: {ADVICE}")
