"""Standardises embeddings, so that cosines distinguish them and a head learns equally fast in every direction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from goalkit.errors import ModelError, TrainingError
from goalkit.model import GoalModel

CHECKED_TEXTS = 16
TOLERANCE = 1e-3


def standardize_embeddings(model: GoalModel, texts: Sequence[str]) -> GoalModel:
    """Return a copy of a model whose embeddings of `texts` have mean 0 and standard deviation 1 in every dimension.

    The embeddings of a pre-trained encoder lie in a narrow cone (Ethayarajh, 2019, arXiv 1909.00512), where all cosines are
    similar and SGD is slow. Shift and scale are folded into the encoder's last normalisation, so they cost nothing on the
    phone; the heads are adjusted so that no probability changes. Standardise before building updatable heads and before
    compression.

    Args:
        model: the model; it is not changed.
        texts: several hundred texts like those that the app will classify.

    Raises:
        TrainingError: there are fewer than two texts.
        ModelError: the encoder does not end in a normalisation with weight and bias, or uses it more than once.
    """
    if len(texts) < 2:
        raise TrainingError(f"mean and standard deviation cannot be computed from {len(texts)} texts: give several hundred")
    standardized = model.copy()
    before = model.embed(texts).astype(np.float64)
    mean, deviation = before.mean(0), before.std(0)
    deviation[deviation == 0] = 1
    last: Any = standardized.encoder.anatomy().last_normalization  # a LayerNorm, or similar, such as MobileBERT's NoNorm
    if last is None:
        raise ModelError(
            "the encoder has no last normalisation with weight and bias: its embeddings cannot be standardized, use it as it is"
        )
    shift, scale = (torch.from_numpy(each) for each in (mean, deviation))
    with torch.no_grad():
        last.weight.copy_(last.weight.double() / scale)
        last.bias.copy_((last.bias.double() - shift) / scale)
        for head in standardized.heads.values():
            head.bias.copy_(head.bias.double() + head.weight.double() @ shift)
            head.weight.copy_(head.weight.double() * scale)
    after = standardized.embed(texts[:CHECKED_TEXTS])
    if not np.allclose(after, ((before - mean) / deviation)[:CHECKED_TEXTS], atol=TOLERANCE):
        raise ModelError(
            f"another operation follows {type(last).__name__}, the encoder's last normalisation, or it is used more than once: "
            "the embeddings of this encoder cannot be standardized, use it as it is"
        )
    return standardized
