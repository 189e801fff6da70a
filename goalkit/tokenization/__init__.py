"""WordPiece tokenisation: vocabulary, settings, and texts for comparing two tokenizers."""

from goalkit.tokenization.pretrained import load_wordpiece, wordpiece_from_transformers
from goalkit.tokenization.probes import EDGE_CASES, probe_texts
from goalkit.tokenization.settings import AddedToken, TokenizerSettings
from goalkit.tokenization.wordpiece import SPECIAL_TOKENS, TokenBatch, WordPieceTokenizer

__all__ = [
    "EDGE_CASES",
    "SPECIAL_TOKENS",
    "AddedToken",
    "TokenBatch",
    "TokenizerSettings",
    "WordPieceTokenizer",
    "load_wordpiece",
    "probe_texts",
    "wordpiece_from_transformers",
]
