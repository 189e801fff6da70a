"""The log of a training: JSON lines for programs, TensorBoard for people."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
import torch

from goalkit.extras import extra
from goalkit.storage import append_lines, write_file

LOG = "log.jsonl"


class Journal:
    """Appends records to `log.jsonl` in a folder and, if asked, the numbers in them to TensorBoard's event files next to it.

    Args:
        folder: made if it is not there.
        after: steps that are done already; what an earlier, interrupted training logged beyond them is taken out when the
            first record is written.
        tensorboard: whether to write event files; needs the package `tensorboard`.
    """

    def __init__(self, folder: Path, *, after: int, tensorboard: bool) -> None:
        self._path = folder / LOG
        self._writer: Any = None
        self._kept: list[str] | None = [
            line for line in _lines(self._path) if after and json.loads(line).get("step", 0) <= after
        ]
        if tensorboard:
            with extra("train"):
                from torch.utils.tensorboard import SummaryWriter
            self._writer = SummaryWriter(folder / "tensorboard", purge_step=after)

    def record(self, event: str, step: int, **values: Any) -> None:
        """Append one line: what happened, after how many steps, and figures, which TensorBoard gets, too."""
        line = json.dumps({"event": event, "step": step, **values}, ensure_ascii=False)
        if self._kept is None:
            append_lines(self._path, [line])
        else:
            write_file(self._path, "".join([*self._kept, line, "\n"]).encode())
            self._kept = None
        if self._writer is not None:
            for name, value in _figures(event, values):
                self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Write out what is still in memory."""
        if self._writer is not None:
            self._writer.close()


def _lines(path: Path) -> list[str]:
    """The whole lines of a log; a last one that a crash has cut off is left out."""
    if not path.exists():
        return []
    return [line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]


def _figures(prefix: str, values: dict[str, Any]) -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    for name, value in values.items():
        if isinstance(value, dict):
            found += _figures(f"{prefix}/{name}", value)
        elif isinstance(value, int | float):
            found.append((f"{prefix}/{name}", value))
    return found


def versions() -> dict[str, str]:
    """Versions of what a training depends on."""
    return {name: version(name) for name in ("goalkit", "torch", "transformers", "tokenizers", "accelerate", "numpy")}


def memory_bytes(device: torch.device) -> int:
    """Memory in use: of the GPU at its peak, elsewhere of this process now."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return int(psutil.Process().memory_info().rss)
