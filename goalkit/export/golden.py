"""Golden files: what a tokenizer and a model in another language must reproduce."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt

from goalkit.model import GoalModel
from goalkit.tokenization import WordPieceTokenizer, probe_texts

GOALS = 500

EMBEDDINGS = 64
"""Of the first texts, golden.json also holds the embedding, for heads and for parity in decibels."""


def golden_texts() -> list[str]:
    """Goals of the shipped corpus, taken evenly from its whole length, in an order that mixes its labels."""
    text = resources.files("goalkit.resources").joinpath("goals.csv").read_text(encoding="utf-8")
    texts = [row["text"] for row in csv.DictReader(text.splitlines())]
    chosen = [texts[number * len(texts) // GOALS] for number in range(GOALS)]
    return sorted(chosen, key=lambda text: hashlib.sha256(text.encode()).digest())


def tokenizer_golden(tokenizer: WordPieceTokenizer, length: int) -> list[dict[str, Any]]:
    """Texts with their token ids, unpadded and cut to `length`: `tokenizer_golden.json`."""
    texts = [*probe_texts(tokenizer.settings), *golden_texts()]
    batch = tokenizer.encode(texts, length)
    return [
        {"text": text, "ids": ids[: int(mask.sum())].tolist()}
        for text, ids, mask in zip(texts, batch.input_ids, batch.attention_mask, strict=True)
    ]


def model_golden(model: GoalModel, texts: Sequence[str], length: int) -> dict[str, Any]:
    """Texts with the probabilities that the exported torch model gives them, and some embeddings: `golden.json`."""
    embeddings = model.embed(texts, length=length)
    probabilities = model.head_probabilities(embeddings)
    return {
        "texts": list(texts),
        "probabilities": {name: _digits(rows) for name, rows in probabilities.items()},
        "embeddings": _digits(embeddings[:EMBEDDINGS]),
    }


def _digits(rows: npt.NDArray[np.float32]) -> list[list[float]]:
    """Numbers with the digits that float32 has, and no more."""
    return [[float(f"{each:.9g}") for each in row] for row in rows.tolist()]
