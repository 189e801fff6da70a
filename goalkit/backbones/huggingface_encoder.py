"""Any transformers encoder with plain tensors as inputs, called in a way that can be traced and converted to Core ML."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from goalkit.backbones.contract import Encoder
from goalkit.backbones.conventions import find_convention, first_position, own_output, readable_texts
from goalkit.backbones.probes import SAME, TRIED_LENGTH, difference
from goalkit.errors import ModelError


class HuggingFaceEncoder(Encoder):
    """A bare transformers encoder: BERT, RoBERTa, ALBERT, ELECTRA, DistilBERT, MobileBERT, DeBERTa, ModernBERT and their kin.

    A ready additive mask, explicit positions and token types keep transformers' own mask building out of the graph wherever
    the model understands them; whether it does is tested by comparing with its own forward (see conventions).
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        config: Any = model.config
        self.model = model
        self.hidden_size = int(config.hidden_size)
        self.max_length = positions_of(model)
        self._convention = find_convention(model, self._result, min(TRIED_LENGTH, self.max_length))

    @staticmethod
    def _result(output: Any) -> Tensor:
        states: Tensor = output.last_hidden_state
        return states

    def forward(self, input_ids: Tensor, attention_mask: Tensor, length: int) -> Tensor:
        """See `Encoder.forward`."""
        arguments = self._convention.arguments(input_ids, attention_mask, length, self.model.config)
        return self._result(self.model(**arguments))

    def reference(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """See `Encoder.reference`: the model as its users call it."""
        return self._result(own_output(self.model, input_ids, attention_mask))

    def example_texts(self, length: int, texts: int) -> tuple[Tensor, Tensor]:
        """See `Encoder.example_texts`."""
        return readable_texts(self.model, length, texts)


class HuggingFaceClassifierEncoder(HuggingFaceEncoder):
    """A transformers model for sequence classification, less its last linear layer: what enters that is the embedding."""

    def __init__(self, model: nn.Module, head: str) -> None:
        linear = model.get_submodule(head)
        assert isinstance(linear, nn.Linear)
        model.set_submodule(head, nn.Identity())
        super().__init__(model)
        self.hidden_size = linear.in_features

    @staticmethod
    def _result(output: Any) -> Tensor:
        embedding: Tensor = output.logits
        return embedding


def positions_of(model: nn.Module) -> int:
    """The most tokens that a model has positions for. Raises ModelError if its configuration does not say."""
    positions = getattr(model.config, "max_position_embeddings", None)
    if not isinstance(positions, int) or positions < 1:
        raise ModelError(
            f"{type(model).__name__} does not say how many tokens it has positions for: set config.max_position_embeddings"
        )
    return positions - first_position(model)


@torch.no_grad()
def find_head(model: nn.Module) -> str:
    """The name of the linear layer that gives a sequence classifier its logits.

    It is the one that, taken out and applied to what then comes out of the model, gives the logits again: neither the order
    of modules nor their sizes tell.

    Raises:
        ModelError: there is no such layer.
    """
    ids, mask = readable_texts(model, min(TRIED_LENGTH, positions_of(model)))

    right: Tensor = own_output(model, ids, mask).logits
    modules: list[tuple[str, nn.Module]] = list(model.named_modules())
    for name, layer in reversed(modules):
        if not isinstance(layer, nn.Linear) or layer.out_features != right.shape[-1]:
            continue
        model.set_submodule(name, nn.Identity())
        try:
            found = layer(own_output(model, ids, mask).logits)
        except (ModelError, RuntimeError):  # without that layer the model does not even run, or gives another width
            found = None
        finally:
            model.set_submodule(name, layer)
        if difference(found, right) <= SAME:
            return name
    raise ModelError(
        f"{type(model).__name__} does not end in a linear layer of {right.shape[-1]} labels: wrap its encoder in "
        "goalkit.backbones.Encoder and goalkit.classifier.Classifier"
    )
