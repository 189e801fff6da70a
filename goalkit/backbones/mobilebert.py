"""The MobileBERT backbone."""

from goalkit.backbones.huggingface import HuggingFaceBackbone


class MobileBert(HuggingFaceBackbone):
    """MobileBERT: 24 thin bottleneck layers (Sun et al., 2020, arXiv 2004.02984).

    google/mobilebert-uncased has an English vocabulary with 244 Chinese characters: for Chinese goals train it from
    scratch with goalkit's vocabulary, or distil into it.
    """

    name = "mobilebert"
    summary = "MobileBERT, 24 bottleneck layers; the published vocabulary is English"
    architecture = "mobilebert"
    pooling = "cls"
