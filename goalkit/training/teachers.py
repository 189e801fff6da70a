"""Outputs of teachers, kept on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from goalkit.configuration import json_bytes, read_json
from goalkit.errors import StorageError, TrainingError
from goalkit.storage import write_file
from goalkit.teacher import Embedder

CHUNK = 4096
"""Texts whose embeddings are computed, and written, at a time."""
EMBEDDINGS, PROGRESS = "embeddings.npy", "progress.json"


def cached_embeddings(
    teacher: Embedder, texts: Sequence[str], folder: str | Path, *, progress: bool = True
) -> npt.NDArray[np.float16]:
    """Compute a teacher's embeddings of N texts once, and keep them on disk in half precision.

    If it is interrupted, the next call continues after the last chunk that was written.

    Args:
        teacher: what computes the embeddings. Its embeddings are recognised by its `digest()`; without that method, by the
            name of its class.
        texts: N texts, at least one.
        folder: where `embeddings.npy` and `progress.json` are written.
        progress: show a progress bar.

    Returns:
        float16 [N, K], mapped from the file, so that they need no memory.

    Raises:
        TrainingError: there are no texts, an embedding is not a number, or the folder holds embeddings of other texts or of
            another teacher.
        StorageError: the folder cannot be written.
    """
    if not texts:
        raise TrainingError("there are no texts to distil on: give some thousands")
    folder = Path(folder)
    identity = {"teacher": _name(teacher), "texts_sha256": texts_digest(texts)}
    done = _done(folder, identity, len(texts))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        array = np.lib.format.open_memmap(folder / EMBEDDINGS, mode="r+") if done else None
        with tqdm(total=len(texts), initial=done, desc="teacher", unit="text", disable=not progress) as bar:
            for start in range(done, len(texts), CHUNK):
                found = teacher.embed(texts[start : start + CHUNK])
                if not np.isfinite(found).all() or np.abs(found).max() > np.finfo(np.float16).max:
                    raise TrainingError("the teacher's embeddings are not numbers, or too large: check the teacher")
                if array is None:
                    shape = (len(texts), found.shape[1])
                    array = np.lib.format.open_memmap(folder / EMBEDDINGS, mode="w+", dtype=np.float16, shape=shape)
                array[start : start + len(found)] = found
                array.flush()
                write_file(folder / PROGRESS, json_bytes({**identity, "done": start + len(found)}))
                bar.update(len(found))
    except OSError as error:
        raise StorageError(
            f"{folder} cannot be written ({error.strerror or error}): free some space and call again, which continues"
        ) from error
    finally:
        if folder.is_dir() and not (folder / PROGRESS).exists():  # not even the first chunk is complete
            (folder / EMBEDDINGS).unlink(missing_ok=True)
    return np.lib.format.open_memmap(folder / EMBEDDINGS, mode="r")


def texts_digest(texts: Sequence[str]) -> str:
    """Return the SHA-256 of texts in their order."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(json.dumps(text).encode())
    return digest.hexdigest()


def _name(teacher: Embedder) -> str:
    digest = getattr(teacher, "digest", None)
    return str(digest()) if callable(digest) else f"{type(teacher).__module__}.{type(teacher).__qualname__}"


def _done(folder: Path, identity: dict[str, str], count: int) -> int:
    """Return how many texts have embeddings in the folder."""
    path = folder / PROGRESS
    if not path.exists():
        return 0
    found = read_json(path, error=TrainingError)
    if not isinstance(found, dict) or {key: found.get(key) for key in identity} != identity:
        raise TrainingError(
            f"{folder} holds embeddings of other texts or of another teacher: remove it, or choose another folder"
        )
    try:
        rows = len(np.lib.format.open_memmap(folder / EMBEDDINGS, mode="r"))
    except (OSError, ValueError) as error:
        raise TrainingError(f"{folder / EMBEDDINGS} is missing or damaged ({error}): remove {folder}") from error
    if rows != count:
        raise TrainingError(f"{folder / EMBEDDINGS} has {rows} rows instead of {count}: remove {folder}")
    done = found.get("done")
    if not isinstance(done, int):
        raise TrainingError(f"{path} does not say how many texts are done: remove {folder}")
    return done
