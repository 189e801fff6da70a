"""Back-translation: via another language (Xie et al., 2020, Unsupervised data augmentation, arXiv 1904.12848)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Protocol

import attrs
import numpy as np
from tqdm.auto import tqdm

from goalkit.datasets.augmentation.contract import Augmentation
from goalkit.datasets.augmentation.translations import Question, TranslationCache
from goalkit.errors import DatasetError

CHINESE = "zh"
FEW = 1000
"""Below this number of texts, no progress bar is shown."""


class Translator(Protocol):
    """Interface of translators, such as local models or services."""

    @property
    def identity(self) -> str:
        """Identifies cached translations. It must differ for translators that may give different results."""

    @property
    def batch_size(self) -> int:
        """Number of texts per call of `translate`."""

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        """Return one translation per text. Languages are codes such as "zh" and "en"."""


def _as_cache(path: str | Path | None) -> TranslationCache:
    return TranslationCache(None if path is None else Path(path))


@attrs.frozen(kw_only=True)
class BackTranslation(Augmentation):
    """Translates into a pivot language and back. Results whose protected words differ are left out.

    Args:
        translator: translates in both directions.
        cache: file to which each translation is saved immediately, so that an interrupted run can be resumed; None keeps
            translations in memory.
        pivot: code of the pivot language.
    """

    name: ClassVar[str] = "back-translation"
    translator: Translator
    cache: TranslationCache = attrs.field(default=None, converter=_as_cache)
    pivot: str = "en"

    def prepare(self, texts: Sequence[str]) -> None:
        """Translate all texts in batches. See `Augmentation.prepare`."""
        self._back(texts)

    def drafts(self, text: str, random: np.random.Generator) -> Iterator[str]:
        """See `Augmentation.drafts`. There is one draft, which does not depend on `random`."""
        yield from self._back([text])

    def _back(self, texts: Sequence[str]) -> list[str]:
        return self._translated(self._translated(texts, CHINESE, self.pivot), self.pivot, CHINESE)

    def _translated(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        identity = self.translator.identity
        questions = [Question(identity, source, target, text) for text in texts]
        missing = [each for each in dict.fromkeys(questions) if self.cache.get(each) is None]
        size = self.translator.batch_size
        with tqdm(total=len(missing), desc=f"{source} to {target}", unit="text", disable=len(missing) < FEW) as bar:
            for start in range(0, len(missing), size):
                batch = missing[start : start + size]
                translations = self.translator.translate([each.text for each in batch], source, target)
                if len(translations) != len(batch):
                    raise DatasetError(
                        f"{identity} gave {len(translations)} translations of {len(batch)} texts: it must give one per text"
                    )
                self.cache.add(dict(zip(batch, translations, strict=True)))
                bar.update(len(batch))
        return [self.cache.get(each) or "" for each in questions]
