"""Replace characters with a masked language model (contextual augmentation: Kobayashi, 2018, arXiv 1805.06201)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import attrs
import numpy as np

from goalkit.configuration import between
from goalkit.datasets.augmentation.contract import DRAWS, Augmentation, amount
from goalkit.datasets.augmentation.protected import protected_mask
from goalkit.errors import ModelError
from goalkit.extras import extra


@attrs.frozen(kw_only=True)
class MaskedLanguageModel(Augmentation):
    """Replaces unprotected Chinese characters, one after another, by predictions of a BERT.

    A character that fits the sentence need not fit its label (学车, 修车), as Kobayashi notes: category and difficulty may
    change.

    Args:
        folder: a BertForMaskedLM with its tokenizer, in the format of `save_pretrained` of transformers.
        strength: share of the replaceable characters to replace, from 0 to 1; at least one if above 0.
        top_k: a character is sampled from the K most probable ones.

    Raises:
        ModelError: on first use, if the folder has no such model.
    """

    name: ClassVar[str] = "masked-language-model"
    folder: Path = attrs.field(converter=Path)
    strength: float = attrs.field(default=0.1, validator=between(0, 1))
    top_k: int = attrs.field(default=10, validator=between(1, whole=True))

    @property
    def may_change(self) -> frozenset[str]:
        """See `Augmentation.may_change`."""
        return frozenset({"category", "difficulty"})

    def drafts(self, text: str, random: np.random.Generator) -> Iterator[str]:
        """See `Augmentation.drafts`."""
        tokenizer, _, allowed = self._loaded
        encoded = tokenizer(text, return_offsets_mapping=True, truncation=True)
        mask = protected_mask(text)
        places = [
            (token, start)
            for token, (start, stop) in enumerate(encoded["offset_mapping"])
            if stop - start == 1 and "一" <= text[start] <= "鿿" and not mask[start]
        ]
        count = amount(self.strength, len(places))
        for _ in range(DRAWS if count else 0):
            ids, characters = list(encoded["input_ids"]), list(text)
            for number in sorted(random.choice(len(places), count, replace=False).tolist()):
                token, start = places[number]
                ids[token] = self._fill(ids, token, random)
                characters[start] = allowed[ids[token]]
            yield "".join(characters)

    def _fill(self, ids: list[int], token: int, random: np.random.Generator) -> int:
        """Sample the id of another character for one position."""
        import torch

        tokenizer, model, allowed = self._loaded
        masked = torch.tensor([[*ids[:token], tokenizer.mask_token_id, *ids[token + 1 :]]])
        with torch.inference_mode():
            logits = model(input_ids=masked, attention_mask=torch.ones_like(masked)).logits[0, token].double().numpy()
        candidates = np.fromiter(allowed, np.int64)
        candidates = candidates[candidates != ids[token]]
        best = candidates[np.argsort(-logits[candidates], kind="stable")[: self.top_k]]
        weights = np.exp(logits[best] - logits[best].max())
        return int(random.choice(best, p=weights / weights.sum()))

    @cached_property
    def _loaded(self) -> tuple[Any, Any, dict[int, str]]:
        """Tokenizer, model, and the pieces that are single Chinese characters, by id."""
        with extra("train"):
            from transformers import AutoTokenizer, BertForMaskedLM

        try:
            tokenizer = AutoTokenizer.from_pretrained(self.folder)
            loaded: Any = BertForMaskedLM.from_pretrained(self.folder, output_loading_info=True)
        except Exception as error:  # transformers raises many types for damaged folders
            reason = str(error).strip().split("\n")[0]
            raise ModelError(
                f"{self.folder} has no usable BertForMaskedLM ({reason}): give a folder with config.json, weights and tokenizer"
            ) from error
        model, report = loaded
        if missing := sorted(report["missing_keys"]):
            raise ModelError(
                f"{self.folder} lacks the weights {missing[0]} and {len(missing) - 1} more: give one saved with its head"
            )
        vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
        characters = {number: piece for piece, number in vocabulary if len(piece) == 1 and "一" <= piece <= "鿿"}
        if len(characters) < 2:
            raise ModelError(f"{self.folder} has {len(characters)} Chinese characters in its vocabulary: give a Chinese model")
        return tokenizer, model.eval(), characters
