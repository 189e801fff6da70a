"""Outputs of teachers, kept on disk."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from goalkit.errors import TrainingError
from goalkit.storage import write_file
from goalkit.teacher import Embedder
from goalkit.training.processes import Processes

CHUNK = 4096
"""Texts whose embeddings are computed, and written, at a time."""


def cached_embeddings(
    teacher: Embedder, texts: Sequence[str], folder: str | Path, *, progress: bool = True
) -> npt.NDArray[np.float16]:
    """Compute a teacher's embeddings of N texts once, and keep them on disk in half precision.

    Each chunk of texts has a file of its own, named by the teacher and the texts. After an interruption the next call computes
    what is missing; a longer list with the same beginning does so too. Under `torchrun` the processes share the chunks.

    Args:
        teacher: what computes the embeddings. Its embeddings are recognised by its `digest()`; without that method, by the
            name of its class.
        texts: N texts, at least one.
        folder: where the chunks are written, as `<SHA-256>.npy`.
        progress: show a progress bar.

    Returns:
        float16 [N, K], in memory: 2 NK bytes.

    Raises:
        TrainingError: there are no texts, an embedding is not a number, or a file is damaged.
        StorageError: the folder cannot be written.
    """
    if not texts:
        raise TrainingError("there are no texts to distil on: give some thousands")
    name = _name(teacher)
    chunks = [texts[start : start + CHUNK] for start in range(0, len(texts), CHUNK)]
    files = [Path(folder) / f"{texts_digest([name, *chunk])}.npy" for chunk in chunks]
    processes = Processes.current()
    own = [place for place in range(processes.rank, len(files), processes.count) if not files[place].exists()]
    total, shown = sum(len(chunks[place]) for place in own), progress and processes.first
    with tqdm(total=total, desc="teacher", unit="text", disable=not shown) as bar:
        for place in own:
            found = teacher.embed(chunks[place])
            if not np.isfinite(found).all() or np.abs(found).max() > np.finfo(np.float16).max:
                raise TrainingError("the teacher's embeddings are not numbers, or too large: check the teacher")
            content = io.BytesIO()
            np.save(content, found.astype(np.float16))
            write_file(files[place], content.getvalue())
            bar.update(len(found))
    processes.wait()
    return np.concatenate([_chunk(file, len(chunk)) for file, chunk in zip(files, chunks, strict=True)])


def texts_digest(texts: Sequence[str]) -> str:
    """Return the SHA-256 of texts in their order."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(json.dumps(text).encode())
    return digest.hexdigest()


def _name(teacher: Embedder) -> str:
    digest = getattr(teacher, "digest", None)
    return str(digest()) if callable(digest) else f"{type(teacher).__module__}.{type(teacher).__qualname__}"


def _chunk(file: Path, rows: int) -> npt.NDArray[np.float16]:
    try:
        array: npt.NDArray[np.float16] = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise TrainingError(f"{file} is damaged ({error}): remove it, and its embeddings are computed again") from error
    if array.ndim != 2 or len(array) != rows:
        raise TrainingError(f"{file} does not hold {rows} embeddings: remove it, and they are computed again")
    return array
