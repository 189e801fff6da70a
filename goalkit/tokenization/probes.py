"""Texts on which different tokenizers disagree."""

from __future__ import annotations

from goalkit.tokenization.settings import TokenizerSettings

EDGE_CASES = (
    "",
    " ",
    "５公里，１０组！",
    "ＡＢＣｄｅｆ",
    "跑步\u3000五公里",
    "tab\tand\nnewline",
    "零\u200b宽\ufeff字符",
    "控制\x00\x07字符",
    "软\xad连字\ufffd私\ue000用",
    "填\u3164充\u115f符\u2800",
    "每天study英语2小时",
    "café résumé naïve",
    "ÀÉÎÕÜ ß ø Ł đ İ ΑΣ",
    "👨‍👩‍👧‍👦 一家出游",
    "✅✅✅",
    "加油！！！！！真的。。。。",
    "打卡💪🏻",
    "🇨🇳",
    "𠮷野家",
    "㐀㐁",
    "a\U0002b81fb a\U0002b820b a\U0002b920b a\U0002ceb0b",
    "學習繁體字",
    "かな ガギ 한글",
    "\uf900\uf9d1",
    "don't stop-believing",
    "e-mail: someone@example.com",
    "https://example.com/a?b=c#d",
    "3.14159,2.71828",
    "12:30-13:45",
    "第101次",
    "2026年11月23日",
    "$100 ¥200 €300",
    "100%",
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
"""Texts that tokenizers often disagree on: white space, control characters, full width, accents, emoji, rare characters."""

LONGEST_WORD = 10_000
"""Limits above this are not probed: no longer word is generated."""


def probe_texts(settings: TokenizerSettings) -> list[str]:
    """Return texts that a tokenizer with other `settings` encodes differently, as far as the vocabulary allows."""
    longest = min(settings.max_input_chars_per_word, LONGEST_WORD)
    texts = [*EDGE_CASES, "a" * longest, "a" * (longest + 1)]
    for token in (each.content for each in settings.added_tokens):
        first, rest = token[:1], token[1:]
        texts += [f"{token}跑步{token}", f"每天{token}{token}", f"a{token}b {token} c"]
        texts += [
            token.swapcase(),
            f"{first}\u200b{rest}",
            f"{first}\u0301{rest}",
        ]  # match only in normalized text
    return list(dict.fromkeys(texts))
