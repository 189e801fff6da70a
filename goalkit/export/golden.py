"""Golden files: what a tokenizer and a model in another language must reproduce."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from importlib import resources
from typing import Any

from goalkit.model import GoalModel
from goalkit.tokenization import WordPieceTokenizer

EDGE_CASES = (
    "",
    " ",
    "５公里，１０组！",
    "ＡＢＣｄｅｆ",
    "跑步\u3000五公里",
    "tab\tand\nnewline",
    "零\u200b宽\ufeff字符",
    "控制\x00\x07字符",
    "café résumé naïve",
    "ÀÉÎÕÜ ß ø",
    "👨‍👩‍👧‍👦 一家出游",
    "✅✅✅",
    "打卡💪🏻",
    "🇨🇳",
    "𠮷野家",
    "㐀㐁",
    "學習繁體字",
    "かな カナ 한글",
    "don't stop-believing",
    "e-mail: someone@example.com",
    "https://example.com/a?b=c#d",
    "3.14159,2.71828",
    "12:30-13:45",
    "第101次",
    "2026年11月23日",
    "$100 ¥200 €300",
    "100%",
    "a" * 101,
    "超长" * 200,
    "……——「」『』",
    "(括号)[方括号]{花括号}",
    "C++ & C#",
    "user_name@@##",
    "##piece",
    "[UNK] [CLS] [SEP] [PAD] [MASK]",
    "①②③ Ⅳ ㎏ ㎞",
    "½ ² ₃",
    "مرحبا שלום",
    "สวัสดี नमस्ते",
    "e\u0301 与 é",
)
"""Where tokenizers disagree: white space, control characters, full width, accents, emoji, rare ideographs, long words."""

GOALS = 500


def golden_texts() -> list[str]:
    """The first goals of the shipped corpus, taken evenly from its whole length."""
    text = resources.files("goalkit.resources").joinpath("goals.csv").read_text(encoding="utf-8")
    texts = [row["text"] for row in csv.DictReader(text.splitlines())]
    step = len(texts) // GOALS
    return texts[::step][:GOALS]


def tokenizer_golden(tokenizer: WordPieceTokenizer, length: int) -> list[dict[str, Any]]:
    """Texts with their token ids, unpadded and cut to `length`: `tokenizer_golden.json`."""
    texts = [*EDGE_CASES, *golden_texts()]
    batch = tokenizer.encode(texts, length)
    return [
        {"text": text, "ids": ids[: int(mask.sum())].tolist()}
        for text, ids, mask in zip(texts, batch.input_ids, batch.attention_mask, strict=True)
    ]


def model_golden(model: GoalModel, texts: Sequence[str], length: int) -> dict[str, Any]:
    """Texts with the probabilities that the exported torch model gives them: `golden.json`."""
    probabilities = model.predict_probabilities(texts, length=length)
    return {
        "texts": list(texts),
        "probabilities": {
            name: [[float(f"{each:.8g}") for each in row] for row in rows.tolist()] for name, rows in probabilities.items()
        },
    }
