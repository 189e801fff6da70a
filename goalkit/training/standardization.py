"""Embeddings spread evenly around zero, so that cosines tell them apart and a head learns as fast in every direction."""

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
    """A copy whose embeddings of these texts have mean 0 and standard deviation 1 in every dimension; no probability changes.

    A pre-trained encoder puts all its embeddings into a narrow cone (Ethayarajh, 2019, arXiv 1909.00512), where cosines are
    all alike and SGD is slow. Shift and scale are folded into the encoder's last normalisation, and out of the heads, so they
    cost nothing on the phone. Do it before heads are built and before compression.

    Args:
        model: stays as it is.
        texts: some hundreds of the kind that the app will see.

    Raises:
        TrainingError: there are fewer than two texts.
        ModelError: the encoder does not end in a normalisation with weight and bias.
    """
    if len(texts) < 2:
        raise TrainingError(f"there are {len(texts)} texts to take mean and deviation of: give some hundreds")
    standardized = model.copy()
    before = model.embed(texts).astype(np.float64)
    mean, deviation = before.mean(0), before.std(0)
    deviation[deviation == 0] = 1
    last: Any = standardized.encoder.anatomy().last_normalization  # a LayerNorm, or one like it, such as MobileBERT's NoNorm
    if last is None:
        raise ModelError("the encoder has no normalisation with weight and bias to fold shift and scale into")
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
            f"something else follows {type(last).__name__}, the encoder's last normalisation, or it is used more than once: "
            "this encoder's embeddings cannot be standardized"
        )
    return standardized
