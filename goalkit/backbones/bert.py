"""The BERT backbones: Google's Chinese base model, and a tiny one for phones."""

from importlib.resources import files
from pathlib import Path
from typing import ClassVar

from goalkit.backbones.huggingface import HuggingFaceBackbone


class TinyBert(HuggingFaceBackbone):
    """4 layers, 384 wide, 12 heads: 7.1 M weights without the embedding table, pretrained for Chinese (docs/tiny-bert.md).

    Every width is a multiple of 32, so that grouped and blocked weight compression applies to all of it, and the
    LayerNorm epsilon is one that half precision can represent.
    """

    name = "tiny-bert"
    summary = "BERT, 4 layers of 384, pretrained: ten megabytes, trains in minutes on two cores"
    architecture = "bert"
    defaults: ClassVar = {
        "hidden_size": 384,
        "num_hidden_layers": 4,
        "num_attention_heads": 12,
        "intermediate_size": 1536,
        "max_position_embeddings": 128,
        "layer_norm_eps": 1e-7,
    }

    def pretrained(self) -> Path:
        """See `Backbone.pretrained`."""
        return Path(str(files("goalkit.resources") / "tiny-bert"))


class BertBaseChinese(HuggingFaceBackbone):
    """Google's bert-base-chinese: 12 layers, 768 wide, 12 heads (Devlin et al., 2019, arXiv 1810.04805)."""

    name = "bert-base-chinese"
    summary = "BERT, 12 layers of 768: load the published weights with checkpoint="
    architecture = "bert"
    pooling = "cls"
