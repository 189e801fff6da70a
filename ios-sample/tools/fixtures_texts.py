"""Texts with their token ids, and predictions with their hints."""

from __future__ import annotations

import itertools
import random
from typing import Any

import attrs

from goalkit import Dataset
from goalkit.export import Bundle
from goalkit.model import Prediction, predictions
from goalkit.tokenization import AddedToken, TokenizerSettings, WordPieceTokenizer, probe_texts

RANDOM = 20_000
PER_SETTINGS = 1_500

POOLS = (
    [chr(code) for code in range(0x20, 0x7F)],
    [chr(code) for code in range(0x4E00, 0x9FFF)],
    list("，。！？；：、……——（）「」～·.,!?…—。。。...!!!！！！"),
    [chr(code) for code in range(0xFF01, 0xFFE7)],
    list(" \t\n\r\x0b\x0c\x1c\x1f\x85\xa0\u1680\u2003\u2028\u2029\u202f\u205f\u3000"),
    list("\x00\x07\x7f\xad\u200b\u200c\u200d\u200e\u2060\ufeff\ufe0e\ufe0f\u20e3\u3164\u034f\ufffd\ue000\U000e0101\U0010ffff"),
    list("👨👩👧👦🏻❤️☺️1️⃣©®™✅🇨🇳💪🏃‍♀️"),
    [chr(code) for code in [*range(0x300, 0x370), *range(0x483, 0x48A), *range(0x591, 0x5C8), *range(0x64B, 0x660)]],
    [chr(code) for code in [*range(0xC0, 0x250), *range(0x370, 0x400), *range(0x1E00, 0x2000)]],
    [chr(code) for code in [*range(0x1100, 0x1200), *range(0xAC00, 0xAD00), *range(0x3040, 0x3100)]],
    [chr(code) for code in [*range(0xF900, 0xFB50), *range(0x2F800, 0x2FA20), *range(0x2E80, 0x2FE0)]],
    [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000],
    [chr(code) for code in range(0x11000, 0x12000)],
)


def random_texts(count: int, seed: int, phrases: list[str]) -> list[str]:
    """Return strings of characters from one, two or all pools, and of phrases."""
    generator = random.Random(seed)
    texts = []
    for _ in range(count):
        pools = [*generator.choices(POOLS, k=generator.choice((1, 2, len(POOLS)))), phrases]
        length = generator.choice((0, 1, 2, 3, 5, 10, 20, 40))
        texts.append("".join(generator.choice(generator.choice(pools)) for _ in range(length)))
    return texts


def tokenizers(bundle: Bundle) -> list[dict[str, Any]]:
    """Return, for various settings, texts with their ids, cut to the bundle's length; the first are the bundle's own."""
    goals = Dataset.goals().texts
    own = bundle.tokenizer
    cases = [_encoded(own, [*goals, *random_texts(RANDOM, 0, goals[:1000])], bundle)]
    for seed, settings in enumerate(_other_settings(own.settings), 1):
        tokenizer = WordPieceTokenizer(own.vocabulary, settings)
        phrases = [*goals[:200], *(token.content for token in settings.added_tokens), "[SEP]", "##跑", "unaffable"]
        texts = [*probe_texts(settings), *random_texts(PER_SETTINGS, seed, phrases)]
        cases.append(_encoded(tokenizer, texts, bundle))
    return cases


def _other_settings(own: TokenizerSettings) -> list[TokenizerSettings]:
    free = 6240
    tokens = (
        AddedToken(id=free, content="<目标>"),
        AddedToken(id=free + 1, content="GOAL", single_word=True, lstrip=True),
        AddedToken(id=free + 2, content="Éa", normalized=True, rstrip=True),
        AddedToken(id=free + 3, content="跑步 ", rstrip=True, lstrip=True),
        AddedToken(id=free + 4, content="跑步 ５", normalized=True, single_word=True),
    )
    switches = ("lowercase", "strip_accents", "handle_chinese_chars", "clean_text")
    plain = attrs.evolve(own, cleaning=())
    return [
        *(
            attrs.evolve(plain, **dict(zip(switches, values, strict=True)))
            for values in itertools.product((True, False), repeat=len(switches))
        ),
        *(attrs.evolve(own, cleaning=(step,)) for step in own.cleaning),
        attrs.evolve(plain, max_input_chars_per_word=4),
        attrs.evolve(plain, continuing_subword_prefix=""),
        attrs.evolve(plain, continuing_subword_prefix="【"),
        attrs.evolve(plain, unk_token="的", cls_token="我", sep_token="[PAD]", pad_token="<目标>", added_tokens=tokens),
        attrs.evolve(own, added_tokens=tokens),
        attrs.evolve(plain, added_tokens=tokens[:2], clean_text=False, lowercase=False),
    ]


def _encoded(tokenizer: WordPieceTokenizer, texts: list[str], bundle: Bundle) -> dict[str, Any]:
    length = bundle.manifest.sequence_length
    batch = tokenizer.encode(texts, length)
    rows = zip(batch.input_ids, batch.attention_mask, strict=True)
    ids = [" ".join(map(str, row[: int(mask.sum())].tolist())) for row, mask in rows]
    return {"settings": attrs.asdict(tokenizer.settings), "length": length, "texts": texts, "ids": ids}


def hints(bundle: Bundle) -> list[dict[str, Any]]:
    """Return predictions for every golden text and for every combination of labels, with their sentences."""
    golden = bundle.golden
    found = predictions(bundle.tasks, golden.texts, golden.probabilities)
    for labels in itertools.product(*(task.labels for task in bundle.tasks)):
        for highest in (0.49999998, 0.5, 0.9):
            probabilities = {
                task.name: {each: highest if each == label else (1 - highest) / len(task.labels) for each in task.labels}
                for task, label in zip(bundle.tasks, labels, strict=True)
            }
            names = dict(zip(probabilities, labels, strict=True))
            found.append(Prediction("", names, probabilities))
    return [{"probabilities": each.probabilities, "labels": each.labels, "hint": bundle.hints.choose(each)} for each in found]
