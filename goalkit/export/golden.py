"""Golden files: outputs that a tokenizer and a model in another language must reproduce."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from goalkit.configuration import read_json
from goalkit.errors import BundleError
from goalkit.export.comparison import Truth
from goalkit.model import GoalModel
from goalkit.tokenization import WordPieceTokenizer, probe_texts

EMBEDDINGS = 64
"""Number of texts, from the first, whose embeddings are in golden.json, for checking heads and measuring parity in dB."""


def tokenizer_golden(tokenizer: WordPieceTokenizer, texts: Sequence[str], length: int) -> list[dict[str, Any]]:
    """Return `tokenizer_golden.json`: hard cases and `texts` with their ids, unpadded and cut to `length`."""
    texts = [*probe_texts(tokenizer.settings), *texts]
    batch = tokenizer.encode(texts, length)
    return [
        {"text": text, "ids": ids[: int(mask.sum())].tolist()}
        for text, ids, mask in zip(texts, batch.input_ids, batch.attention_mask, strict=True)
    ]


def model_golden(model: GoalModel, texts: Sequence[str], length: int) -> dict[str, Any]:
    """Return `golden.json`: texts with the exported torch model's probabilities, and some embeddings."""
    embeddings = model.embed(texts, length=length)
    probabilities = model.head_probabilities(embeddings)
    return {
        "texts": list(texts),
        "probabilities": {name: _digits(rows) for name, rows in probabilities.items()},
        "embeddings": _digits(embeddings[:EMBEDDINGS]),
    }


def read_golden(path: Path) -> Truth:
    """Read the golden texts and the exported model's outputs from a `golden.json`. Raises BundleError if it is damaged."""
    golden = read_json(path, error=BundleError)
    probabilities = {name: np.array(rows, np.float32) for name, rows in golden["probabilities"].items()}
    return Truth(tuple(golden["texts"]), probabilities, np.array(golden["embeddings"], np.float32))


def _digits(rows: npt.NDArray[np.float32]) -> list[list[float]]:
    """Round numbers to the digits that float32 has."""
    return [[float(f"{each:.9g}") for each in row] for row in rows.tolist()]
