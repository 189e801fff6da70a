"""Log of a training run: JSON lines for programs, TensorBoard for people."""

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
    """Appends records to `log.jsonl` in a folder and, if requested, their numbers to TensorBoard event files.

    Args:
        folder: folder of `log.jsonl` and of the folder `tensorboard`; it is created if it does not exist.
        after: number of steps already done. Records of later steps, which an interrupted run has left, are removed when the
            first record is written; if 0, all records are.
        tensorboard: whether to write TensorBoard event files; needs the package `tensorboard`.
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
        """Append a line with an event, the number of steps done, and values. Numeric values are also sent to TensorBoard."""
        line = json.dumps({"event": event, "step": step, **values}, ensure_ascii=False)
        if self._kept is None:
            append_lines(self._path, [line])
        else:
            write_file(self._path, "".join([*self._kept, line, "\n"]).encode())
            self._kept = None
        if self._writer is not None:
            for name, value in _numbers(event, values):
                self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Write buffered TensorBoard events and close their file."""
        if self._writer is not None:
            self._writer.close()


def _lines(path: Path) -> list[str]:
    """Return the complete lines of a log, without a last line that a crash has cut off."""
    if not path.exists():
        return []
    return [line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]


def _numbers(prefix: str, values: dict[str, Any]) -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    for name, value in values.items():
        if isinstance(value, dict):
            found += _numbers(f"{prefix}/{name}", value)
        elif isinstance(value, int | float):
            found.append((f"{prefix}/{name}", value))
    return found


def versions() -> dict[str, str]:
    """Return the versions of the packages on which training depends."""
    return {name: version(name) for name in ("goalkit", "torch", "transformers", "tokenizers", "accelerate", "numpy")}


def memory_bytes(device: torch.device) -> int:
    """Return the peak GPU memory on a CUDA device, else the memory that this process uses now, in bytes."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return int(psutil.Process().memory_info().rss)
