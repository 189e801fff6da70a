"""Translate with local Marian models (Tiedemann & Thottingal, 2020, OPUS-MT)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import attrs

from goalkit.configuration import between
from goalkit.errors import ConfigurationError, ModelError
from goalkit.extras import extra
from goalkit.storage import folder_digest

SIMPLIFIED = ">>cmn_Hans<<"
"""Prefix that selects the target language of models for several Chinese languages, such as opus-mt-en-zh."""


@attrs.frozen(kw_only=True)
class MarianTranslator:
    """Two Marian models, Chinese to English and back, from folders in the format of `save_pretrained` of transformers.

    The published models, Helsinki-NLP/opus-mt-zh-en and opus-mt-en-zh, need the extra `translation`.

    Args:
        zh_en: folder of the model into English.
        en_zh: folder of the model into Chinese.
        batch_size: texts per batch.
        longest: maximum number of tokens of a translation.

    Raises:
        ModelError: on first use, if a folder has no such model.
    """

    zh_en: Path = attrs.field(converter=Path)
    en_zh: Path = attrs.field(converter=Path)
    batch_size: int = attrs.field(default=16, validator=between(1, whole=True))
    longest: int = attrs.field(default=128, validator=between(1, 512, whole=True))

    @cached_property
    def identity(self) -> str:
        """The digests of both folders and `longest`, which determine the translations."""
        digests = [folder_digest(folder)[:16] for folder in (self._existing(self.zh_en), self._existing(self.en_zh))]
        return f"marian {' '.join(digests)} {self.longest}"

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        """See `Translator.translate`.

        Raises:
            ConfigurationError: for other languages than zh and en.
        """
        if (source, target) not in (("zh", "en"), ("en", "zh")):
            raise ConfigurationError(f"there is no model from {source!r} to {target!r}: the languages are zh and en")
        tokenizer, model = self._into_english if target == "en" else self._into_chinese
        import torch

        prefix = f"{SIMPLIFIED} " if target == "zh" and SIMPLIFIED in tokenizer.get_vocab() else ""
        batch = tokenizer([prefix + text for text in texts], return_tensors="pt", padding=True, truncation=True)
        with torch.inference_mode():
            ids = model.generate(
                input_ids=batch["input_ids"],
                attention_mask=batch["attention_mask"],
                do_sample=False,
                max_new_tokens=self.longest,
                max_length=None,
            )
        return [text.strip() for text in tokenizer.batch_decode(ids, skip_special_tokens=True)]

    @cached_property
    def _into_english(self) -> tuple[Any, Any]:
        return _load(self._existing(self.zh_en))

    @cached_property
    def _into_chinese(self) -> tuple[Any, Any]:
        return _load(self._existing(self.en_zh))

    def _existing(self, folder: Path) -> Path:
        if not (folder / "config.json").is_file():
            raise ModelError(f"{folder} has no model: give a folder with config.json, weights and tokenizer of a Marian model")
        return folder


def _load(folder: Path) -> tuple[Any, Any]:
    with extra("translation"):
        from transformers import AutoTokenizer, MarianMTModel

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Recommended: pip install sacremoses")
            tokenizer = AutoTokenizer.from_pretrained(folder)
        model = MarianMTModel.from_pretrained(folder)
    except Exception as error:  # transformers raises many types for damaged folders
        reason = str(error).strip().split("\n")[0]
        raise ModelError(
            f"{folder} has no usable Marian model ({reason}): get the whole folder, and `pip install "
            '"goalkit[translation]"` if it has .spm files'
        ) from error
    model.eval()
    return tokenizer, model
