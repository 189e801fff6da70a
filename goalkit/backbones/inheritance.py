"""Weights taken over from another encoder: chosen layers, and the rows of shared vocabulary pieces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from goalkit.backbones.contract import Encoder
from goalkit.errors import ModelError


@torch.no_grad()
def inherit_weights(
    encoder: Encoder,
    pieces: Mapping[str, int],
    source: Encoder,
    source_pieces: Mapping[str, int],
    layers: Sequence[int],
) -> float:
    """Copy weights of `source` into `encoder`, in place; if that is impossible, the encoder is not changed.

    Each layer of the encoder becomes a copy of one of the source's. Tables with fewer rows than the source's, such as that of
    positions, take the first rows. The vocabulary's table takes the rows of the pieces that both have; other rows keep their
    weights.

    Args:
        encoder: the encoder to change.
        pieces: the row of each of its vocabulary pieces.
        source: an encoder of the same architecture and widths, not compressed.
        source_pieces: the row of each of its vocabulary pieces.
        layers: for each layer of the encoder, the number of the source's layer, from 0.

    Returns:
        The share of the encoder's pieces that the source has, too.

    Raises:
        ModelError: the numbers of layers do not agree, there is no such layer, or widths differ.
    """
    mine, theirs = encoder.anatomy(), source.anatomy()
    if len(layers) != len(mine.layers) or not all(0 <= layer < len(theirs.layers) for layer in layers):
        raise ModelError(
            f"layers is {list(layers)}: give {len(mine.layers)} numbers, one per layer of the encoder, from 0 to "
            f"{len(theirs.layers) - 1}"
        )
    if len(mine.embeddings) != len(theirs.embeddings) or len(mine.after) != len(theirs.after):
        raise ModelError("the encoders are built differently: choose two of one architecture")
    shared = [piece for piece in pieces if piece in source_pieces]
    rows = torch.tensor([pieces[piece] for piece in shared]), torch.tensor([source_pieces[piece] for piece in shared])
    pairs = [
        *zip(mine.embeddings, theirs.embeddings, strict=True),
        *((layer, theirs.layers[number]) for layer, number in zip(mine.layers, layers, strict=True)),
        *zip(mine.after, theirs.after, strict=True),
    ]
    copies: list[tuple[Tensor, Tensor]] = []
    for module, other in pairs:
        found = dict(other.named_parameters())
        for name, parameter in module.named_parameters():
            if name not in found:
                raise ModelError(f"the other encoder has no {name}: choose one of the same architecture, not compressed")
            table = _owner(module, name)
            if table is mine.words and table is not None and _owner(other, name) is theirs.words:
                copies.append((parameter, _with_rows(name, parameter, found[name], rows)))
            else:
                copies.append((parameter, _with_first_rows(name, parameter, found[name], isinstance(table, nn.Embedding))))
    for old, new in copies:  # all or none
        old.copy_(new)
    return len(shared) / len(pieces)


def _with_rows(name: str, parameter: Tensor, source: Tensor, rows: tuple[Tensor, Tensor]) -> Tensor:
    _check_shapes(name, parameter[:1], source[:1])
    values = parameter.clone()
    values[rows[0]] = source[rows[1]]
    return values


def _with_first_rows(name: str, parameter: Tensor, source: Tensor, table: bool) -> Tensor:
    kept = min(len(parameter), len(source)) if table else len(parameter)
    _check_shapes(name, parameter[:kept], source[:kept])
    return torch.cat([source[:kept], parameter[kept:]])


def _owner(module: nn.Module, name: str) -> nn.Module:
    return module.get_submodule(name.rpartition(".")[0])


def _check_shapes(name: str, mine: Tensor, theirs: Tensor) -> None:
    if mine.shape != theirs.shape:
        raise ModelError(
            f"{name} is of shape {list(mine.shape)}, that of the other encoder of {list(theirs.shape)}: choose encoders of "
            "the same widths"
        )
