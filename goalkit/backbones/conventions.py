"""How to call a transformers model, found by trying which way gives the same numbers as its own forward."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs
import torch
from torch import Tensor, nn

from goalkit.backbones.probes import SAME, difference, made_up_texts
from goalkit.errors import ModelError, reason_of

HIDDEN = -1e30
"""Added to the attention scores of padding, which vanish next to it. bfloat16 can hold it, unlike the smallest
number of float32; half precision cannot, so tracing for it puts a smaller one in its place (goalkit.export.tracing)."""

Mask = Callable[[Tensor, Any], Any]
"""From the mask, float [N, S] with 1 on tokens, and the model's configuration, to what the model takes for it."""


def additive(mask: Tensor, config: Any) -> Tensor:
    """Zero on tokens and -1e30 on padding, [N, 1, 1, S]: transformers takes a mask of four dimensions as it is."""
    return (1.0 - mask)[:, None, None, :] * HIDDEN


def by_layer_type(mask: Tensor, config: Any) -> dict[str, Tensor]:
    """One additive mask per type of layer: layers with a sliding window do not see beyond it (ModernBERT)."""
    full = additive(mask, config)
    places = torch.arange(mask.shape[1], device=mask.device)
    beyond = ((places[:, None] - places[None, :]).abs() > config.sliding_window).to(mask.dtype) * HIDDEN
    return {"full_attention": full, "sliding_attention": torch.minimum(full, beyond)}


def plain(mask: Tensor, config: Any) -> Tensor:
    """The mask itself, [N, S]: for models that make their own of it (DeBERTa)."""
    return mask


@attrs.frozen
class Convention:
    """A way to call a model.

    Args:
        mask: the form of its attention mask.
        first_position: position of the first token, which the model is given; None leaves positions to the model.
        token_types: whether to say that all tokens are of type 0.
    """

    mask: Mask
    first_position: int | None
    token_types: bool

    def arguments(self, input_ids: Tensor, attention_mask: Tensor, length: int, config: Any) -> dict[str, Any]:
        """What to call the model with: for ids, int [N, S], and mask, float [N, S], with S = `length`."""
        arguments = {"input_ids": input_ids, "attention_mask": self.mask(attention_mask, config)}
        if self.first_position is not None:
            end = self.first_position + length
            arguments["position_ids"] = torch.arange(self.first_position, end, device=input_ids.device).unsqueeze(0)
        if self.token_types:
            arguments["token_type_ids"] = torch.zeros_like(input_ids)
        return arguments


def first_position(model: nn.Module) -> int:
    """The position of the first token: RoBERTa counts from its padding id plus one, all others from 0."""
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding) and module.padding_idx is not None:
            return module.padding_idx + 1
    return 0


@torch.no_grad()
def find_convention(model: nn.Module, result: Callable[[Any], Tensor], length: int) -> Convention:
    """The convention with the plainest graph that gives the same as the model's own `forward(input_ids, attention_mask)`.

    Args:
        model: of transformers.
        result: what counts of its output.
        length: tokens of the texts to try it on.

    Raises:
        ModelError: the model fails on its own, or gives something else each time.
    """
    ids, mask = readable_texts(model, length)
    training = model.training
    model.eval()
    try:
        own = own_output(model, ids, mask)
        for convention in _conventions(model):
            if difference(_attempt(model, result, convention, ids, mask), result(own), mask) <= SAME:
                return convention
    finally:
        model.train(training)
    raise ModelError(
        f"{type(model).__name__} gives other numbers, or none, when called again with the same texts: look for NaN in its "
        "weights and for random choices in its forward"
    )


def own_output(model: nn.Module, input_ids: Tensor, attention_mask: Tensor) -> Any:
    """What a model gives for ids and mask, [N, S], when called as its users do. Raises ModelError if it fails."""
    try:
        return model(input_ids=input_ids, attention_mask=attention_mask.long())
    except Exception as error:  # models raise exceptions of any kind
        raise ModelError(
            f"{type(model).__name__} fails on token ids and a mask alone ({type(error).__name__}: {reason_of(error)}): "
            "load its weights, and set what else it needs in its configuration"
        ) from error


def _attempt(
    model: nn.Module, result: Callable[[Any], Tensor], convention: Convention, ids: Tensor, mask: Tensor
) -> Tensor | None:
    try:
        return result(model(**convention.arguments(ids, mask, ids.shape[1], model.config)))
    except Exception:  # an exception of any kind means that the model does not accept this call
        return None


def _conventions(model: nn.Module) -> Iterator[Convention]:
    config: Any = model.config
    accepted: Mapping[str, Any] = inspect.signature(model.forward).parameters
    passed = Convention(additive, first_position(model) if "position_ids" in accepted else None, "token_type_ids" in accepted)
    # a window wider than the texts tried here would go unnoticed, so models with one are never given a mask without it
    windowed = "sliding_attention" in (getattr(config, "layer_types", None) or ())
    masks: tuple[Mask, ...] = (by_layer_type, plain) if windowed else (additive, plain)
    for mask in masks:
        yield attrs.evolve(passed, mask=mask)
        yield attrs.evolve(passed, mask=mask, first_position=None)
        yield Convention(mask, None, False)


def readable_texts(model: nn.Module, length: int, texts: int = 2) -> tuple[Tensor, Tensor]:
    """Made-up texts that a transformers model can read, ids and mask [N, S]; see `made_up_texts`."""
    config: Any = model.config
    if not hasattr(config, "vocab_size"):
        raise ModelError(f"{type(model).__name__} reads no ids of a vocabulary: give a model that does")
    padding, last = int(config.pad_token_id or 0), getattr(config, "eos_token_id", None)  # encoder-decoders look for the last
    return made_up_texts(config.vocab_size, length, texts, padding_id=padding, last_id=last if isinstance(last, int) else None)
