"""Made-up texts to try an encoder on, and how far its numbers are from the right ones."""

from __future__ import annotations

import math

import torch
from torch import Tensor

SAME = 1e-4
"""Largest difference, relative to the spread of the right numbers, between two ways of computing the same in float32."""

TRIED_LENGTH = 12
"""Tokens of the texts on which an encoder is tried."""


def made_up_texts(
    vocabulary_size: int, length: int, texts: int, *, padding_id: int = 0, last_id: int | None = None
) -> tuple[Tensor, Tensor]:
    """Token ids, int64 [N, S], of N texts of different lengths, and their mask, float [N, S].

    The first fills the whole length, the others are padded. No random state is used.

    Args:
        vocabulary_size: ids are below it.
        length: S.
        texts: N.
        padding_id: fills a text up to S, and never occurs in it.
        last_id: ends every text, and occurs nowhere else.
    """
    ordinary = torch.tensor([number for number in range(vocabulary_size) if number not in (padding_id, last_id)])
    lengths = torch.tensor([max(min(2, length), length - row * length // texts) for row in range(texts)])
    places = torch.arange(length)
    mask = places < lengths[:, None]
    # steps of large primes: neighbouring tokens are far apart, and texts differ
    ids = ordinary[(places * 7919 + torch.arange(texts)[:, None] * 104_729 + 17) % len(ordinary)]
    if last_id is not None and 0 <= last_id < vocabulary_size:
        ids = torch.where(places == lengths[:, None] - 1, last_id, ids)
    return torch.where(mask, ids, padding_id), mask.float()


def difference(found: Tensor | None, right: Tensor, mask: Tensor | None = None) -> float:
    """Largest difference of `found` from `right`, relative to how much the right numbers spread.

    It is infinite where there is nothing to compare: another shape, or numbers that are not finite.

    Args:
        found: what was computed.
        right: what should have been.
        mask: of hidden states, [N, S, H], only those where this, [N, S], is 1 count.
    """
    if found is None or found.shape != right.shape:
        return math.inf
    found, right = found.double(), right.double()
    if mask is not None and right.ndim == 3:
        found, right = found[mask > 0], right[mask > 0]
    if not torch.isfinite(right).all() or not torch.isfinite(found).all():
        return math.inf
    # numbers that hardly differ are compared relative to their size: float32 has no more digits
    spread = max(float(right.std(correction=0)), 1e-2 * float(right.abs().max()), 1e-9)
    return float((found - right).abs().max()) / spread
