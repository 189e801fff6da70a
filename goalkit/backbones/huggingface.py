"""Any Hugging Face encoder as a backbone: its configuration, its random weights, and its published checkpoints."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch

from goalkit.backbones.contract import Backbone, Checkpoint
from goalkit.backbones.huggingface_encoder import HuggingFaceEncoder
from goalkit.errors import ConfigurationError, ModelError
from goalkit.extras import extra
from goalkit.tokenization import load_wordpiece

BOOKKEEPING = frozenset({"vocab_size", "model_type", "transformers_version", "architectures", "dtype", "torch_dtype"})
"""Keys of a transformers configuration that do not shape the encoder, or that goalkit sets itself."""


class HuggingFaceBackbone(Backbone):
    """Base of backbones made of a transformers encoder: say which architecture, and which numbers by default."""

    architecture: ClassVar[str]
    """The `model_type` of transformers: "bert", "mobilebert", …"""
    defaults: ClassVar[Mapping[str, Any]] = {}
    """Values that replace those of transformers' configuration class."""

    def configuration(self, vocabulary_size: int, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """See `Backbone.configuration`; overrides are keys of the transformers configuration class."""
        with extra("export"):
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
        with extra("export"):
            from transformers import AutoConfig, AutoModel

        arguments = {key: value for key, value in configuration.items() if key != "model_type"}
        try:
            config = AutoConfig.for_model(self.architecture, **arguments)
            model = AutoModel.from_config(config, add_pooling_layer=False)
        except (ValueError, KeyError, TypeError, RuntimeError) as error:
            raise ConfigurationError(
                f"backbone {self.name!r} cannot be built with {arguments} ({error}): correct the setting"
            ) from error
        return HuggingFaceEncoder(model)

    def load_checkpoint(self, source: str | Path) -> Checkpoint:
        """See `Backbone.load_checkpoint`; reads what transformers' `save_pretrained` writes, in any precision."""
        with extra("export"):
            from transformers import AutoConfig, AutoModel

        try:
            config = AutoConfig.from_pretrained(source)
            if config.model_type == self.architecture:
                model, report = AutoModel.from_pretrained(
                    source, dtype=torch.float32, add_pooling_layer=False, output_loading_info=True
                )
        except Exception as error:  # a damaged checkpoint makes transformers raise exceptions of any kind
            reason = str(error).strip().split("\n")[0]
            raise ModelError(
                f"no usable checkpoint at {os.fspath(source)!r} ({reason}): give a folder with config.json, model.safetensors "
                "and vocab.txt, or a hub name with the network on"
            ) from error
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
