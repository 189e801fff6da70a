"""Any Hugging Face encoder as a backbone, called in the one way that traces to Core ML with every version."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from goalkit.backbones.contract import Backbone, Checkpoint, Encoder
from goalkit.errors import ConfigurationError, ModelError
from goalkit.tokenization import load_wordpiece

BOOKKEEPING = frozenset({"vocab_size", "model_type", "transformers_version", "architectures", "dtype", "torch_dtype"})
"""Keys of a transformers configuration that do not shape the encoder, or that goalkit sets itself."""

MASK_VALUE = -1e4
"""Added to the attention scores of padding. exp(-1e4) is 0 and half precision can hold it, unlike -3.4e38 or -1e9
(ml-ane-transformers uses the same)."""


class HuggingFaceEncoder(Encoder):
    """A bare transformers encoder behind plain tensors: BERT, RoBERTa, ALBERT, ELECTRA, DistilBERT, MobileBERT and their kin.

    A ready additive mask [N, 1, 1, S], explicit positions and token types keep transformers' own mask building, which
    coremltools cannot convert, out of the graph.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        config: Any = model.config
        self.model = model
        self.hidden_size = int(config.hidden_size)
        self._accepted = frozenset(inspect.signature(model.forward).parameters)
        self._first_position = _first_position(model)
        self.max_length = int(config.max_position_embeddings) - self._first_position

    def forward(self, input_ids: Tensor, attention_mask: Tensor, length: int) -> Tensor:
        """See `Encoder.forward`."""
        states: Tensor = self._call(input_ids, attention_mask, length).last_hidden_state
        return states

    def _call(self, input_ids: Tensor, attention_mask: Tensor, length: int) -> Any:
        positions = torch.arange(self._first_position, self._first_position + length, device=input_ids.device).unsqueeze(0)
        arguments = {
            "input_ids": input_ids,
            "attention_mask": (1.0 - attention_mask)[:, None, None, :] * MASK_VALUE,
            "position_ids": positions,
            "token_type_ids": torch.zeros_like(input_ids),
        }
        return self.model(**{name: value for name, value in arguments.items() if name in self._accepted})


class HuggingFaceClassifierEncoder(HuggingFaceEncoder):
    """A transformers model for sequence classification, less its last linear layer: what entered that is the embedding."""

    def __init__(self, model: nn.Module, head: str) -> None:
        super().__init__(model)
        linear = model.get_submodule(head)
        assert isinstance(linear, nn.Linear)
        self.hidden_size = linear.in_features
        model.set_submodule(head, nn.Identity())

    def forward(self, input_ids: Tensor, attention_mask: Tensor, length: int) -> Tensor:
        """Token ids and mask to the embedding, float [N, H]."""
        embedding: Tensor = self._call(input_ids, attention_mask, length).logits
        return embedding


def last_linear(model: nn.Module) -> str | None:
    """The name of the layer that gives a sequence-classification model its logits; None if `model` is no such model."""
    config: Any = model.config
    if not type(model).__name__.endswith("ForSequenceClassification"):
        return None
    linears: list[tuple[str, nn.Linear]] = [
        (name, module) for name, module in model.named_modules() if isinstance(module, nn.Linear)
    ]
    if linears and linears[-1][1].out_features == config.num_labels:
        return linears[-1][0]
    raise ModelError(
        f"{type(model).__name__} does not end in a linear layer of {config.num_labels} labels: wrap its encoder yourself"
    )


def _first_position(model: nn.Module) -> int:
    """RoBERTa counts positions from behind its padding id, all others from 0."""
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding) and module.padding_idx is not None:
            return module.padding_idx + 1
    return 0


class HuggingFaceBackbone(Backbone):
    """Base of backbones made of a transformers encoder: say which architecture, and which numbers by default."""

    architecture: ClassVar[str]
    """The `model_type` of transformers: "bert", "mobilebert", …"""
    defaults: ClassVar[Mapping[str, Any]] = {}
    """Values that replace those of transformers' configuration class."""

    def configuration(self, vocabulary_size: int, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """See `Backbone.configuration`; overrides are keys of the transformers configuration class."""
        from transformers import AutoConfig

        fresh = AutoConfig.for_model(self.architecture)
        known = set(fresh.to_dict()) - BOOKKEEPING
        if unknown := set(overrides) - known:
            raise ConfigurationError(
                f"backbone {self.name!r} has no setting {', '.join(sorted(unknown))}; it has {', '.join(sorted(known))}"
            )
        fresh.update({**self.defaults, **overrides, "vocab_size": vocabulary_size})
        changed = {key: value for key, value in fresh.to_diff_dict().items() if key != "transformers_version"}
        return dict(sorted(changed.items()))

    def encoder(self, configuration: Mapping[str, Any]) -> HuggingFaceEncoder:
        """See `Backbone.encoder`."""
        from transformers import AutoConfig, AutoModel

        arguments = {key: value for key, value in configuration.items() if key != "model_type"}
        try:
            config = AutoConfig.for_model(self.architecture, **arguments)
            model = AutoModel.from_config(config, add_pooling_layer=False)  # type: ignore[no-untyped-call]
        except (ValueError, KeyError, TypeError, RuntimeError) as fault:
            raise ConfigurationError(
                f"backbone {self.name!r} cannot be built with {arguments} ({fault}): correct the setting"
            ) from fault
        return HuggingFaceEncoder(model)

    def load_checkpoint(self, source: str | Path) -> Checkpoint:
        """See `Backbone.load_checkpoint`; reads what transformers' `save_pretrained` writes, in whichever precision."""
        from transformers import AutoConfig, AutoModel

        try:
            config = AutoConfig.from_pretrained(source)
            if config.model_type == self.architecture:
                model, report = AutoModel.from_pretrained(
                    source, dtype=torch.float32, add_pooling_layer=False, output_loading_info=True
                )
        except Exception as fault:  # damaged checkpoints make transformers raise whatever it stumbles over
            reason = str(fault).strip().split("\n")[0]
            raise ModelError(
                f"no usable checkpoint at {os.fspath(source)!r} ({reason}): give a folder with config.json, model.safetensors "
                "and vocab.txt, or a hub name with the network on"
            ) from fault
        if config.model_type != self.architecture:
            raise ModelError(
                f"{source} holds a {config.model_type} model, backbone {self.name!r} needs {self.architecture}: "
                "choose the other backbone or another checkpoint"
            )
        if missing := sorted(report["missing_keys"]):
            raise ModelError(f"{source} lacks the weights {missing[0]} and {len(missing) - 1} more: get the whole checkpoint")
        tokenizer = load_wordpiece(source)
        if tokenizer.size > config.vocab_size:  # fewer are no harm: published embedding tables are often padded
            raise ModelError(
                f"{source}: the tokenizer has {tokenizer.size} token ids, the model {config.vocab_size} rows for them: "
                "get its own tokenizer"
            )
        settings = self.configuration(config.vocab_size, _own_settings(config))
        return Checkpoint(settings, HuggingFaceEncoder(model), tokenizer)


def _own_settings(config: Any) -> dict[str, Any]:
    """The settings that shape the encoder, without what else a published configuration carries."""
    known = set(type(config)().to_dict())
    return {key: value for key, value in config.to_diff_dict().items() if key in known - BOOKKEEPING}
