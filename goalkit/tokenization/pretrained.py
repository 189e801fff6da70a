"""Taking over the tokenizer that a checkpoint was trained with, exactly or not at all."""

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
"""The parts of `tokenizer.json` that goalkit has a counterpart for."""

ADVICE = "goalkit supports BERT's WordPiece tokenizers only; choose a checkpoint that has one"

LENGTH = 32
"""Tokens that texts are cut to when two tokenizers are compared: cutting is part of it."""


def load_wordpiece(source: str | Path) -> WordPieceTokenizer:
    """The tokenizer of a checkpoint, from a folder or a hub name.

    Raises:
        ModelError: there is none, or it cannot be reproduced exactly.
    """
    with extra("export"):
        from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(source)
    except Exception as fault:  # whatever transformers stumbles over, packages that other kinds of tokenizers need among it
        reason = str(fault).strip().split("\n")[0]
        raise ModelError(f"the tokenizer of {os.fspath(source)} cannot be loaded ({reason}): {ADVICE}") from fault
    return wordpiece_from_transformers(tokenizer, os.fspath(source))


def wordpiece_from_transformers(tokenizer: PreTrainedTokenizerBase, source: str) -> WordPieceTokenizer:
    """The tokenizer of a checkpoint as a `WordPieceTokenizer` that gives the same ids.

    Args:
        tokenizer: as `transformers.AutoTokenizer` loads it.
        source: what to call the checkpoint in an error.

    Raises:
        ModelError: it cannot be reproduced exactly: another model than WordPiece, a part that BERT's tokenizer does not have,
            texts that are not framed by one token on each side, or ids that differ all the same.
    """
    parts = _parts(tokenizer, source)
    model, normalizer = parts["model"], parts["normalizer"]
    start, end = _frame(parts["post_processor"], source)
    if len(model["vocab"]) <= len(tokenizer.all_special_tokens):  # transformers makes up a tokenizer where files are missing
        raise ModelError(f"{source} has a tokenizer of special tokens alone: restore its vocab.txt or tokenizer.json")
    if tokenizer.pad_token is None:
        raise ModelError(f"{source} has a tokenizer without padding: name its pad_token in tokenizer_config.json")
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
    # a piece that vocab.txt holds twice has the later id alone; no word has brackets in it, so the placeholder is never found
    pieces = tuple(by_id.get(number, f"[no piece {number}]") for number in range(max(by_id) + 1))
    try:
        taken = WordPieceTokenizer(pieces, settings)
    except ModelError as fault:
        raise ModelError(f"{source}: {fault}") from fault
    _compare(tokenizer, taken, source)
    return taken


def _parts(tokenizer: PreTrainedTokenizerBase, source: str) -> dict[str, Any]:
    """What `tokenizer.json` would hold, once it is certain that goalkit has a counterpart for each part."""
    try:
        parts: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())
    except Exception as fault:  # there is no backend, or it has a part written in Python, for which it raises just Exception
        kind = type(tokenizer).__name__
        raise ModelError(f"{source} has a {kind}, which splits texts by code of its own: {ADVICE}") from fault
    for name, wanted in PARTS.items():
        found = (parts[name] or {"type": "None"})["type"]
        if found != wanted:
            raise ModelError(f"{source} has a tokenizer whose {name} is {found}, not {wanted}: {ADVICE}")
    return parts


def _frame(post_processor: dict[str, Any] | None, source: str) -> tuple[str, str]:
    """The tokens before and after each text."""
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
    raise ModelError(f"{source} has a tokenizer that does not frame texts as [CLS] text [SEP], of token type 0: {ADVICE}")


def _compare(theirs: PreTrainedTokenizerBase, ours: WordPieceTokenizer, source: str) -> None:
    """Raise an error unless both give the same ids: code and options of transformers do not stand in `tokenizer.json`."""
    texts = probe_texts(ours.settings)
    wanted = theirs(texts, truncation=True, max_length=LENGTH)["input_ids"]
    batch = ours.encode(texts, LENGTH)
    for text, right, ids, mask in zip(texts, wanted, batch.input_ids, batch.attention_mask, strict=True):
        if (found := ids[: int(mask.sum())].tolist()) != right:
            raise ModelError(f"{source} has a {type(theirs).__name__} that makes {right} of {text!r}, not {found}: {ADVICE}")
