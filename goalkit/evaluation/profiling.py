"""Where a model spends its time, measured by the PyTorch profiler: by part, by operation, and the bottleneck in a sentence."""

from __future__ import annotations

import gzip
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import nn

from goalkit.backbones.anatomy import attention_of
from goalkit.configuration import json_bytes, to_dict
from goalkit.errors import ConfigurationError, StorageError
from goalkit.model import GoalModel
from goalkit.storage import write_file

WARM = 3
FRAME = "goalkit/"

OPERATIONS = {
    "matrix products": r"mm$|bmm$|addmm|matmul|mkldnn_linear|linear$",
    "softmax": r"scaled_dot_product|softmax",
    "normalisation": r"layer_norm|rsqrt",
    "activation": r"gelu|relu|tanh|erf",
    "embedding": r"embedding|index_select|gather",
    "elementwise": r"add|sub|mul|div|where|masked|bernoulli|random_|ge$",
    "copies": r"copy_|clone|contiguous|cat$|fill_|zero_|empty|resize",
}
"""Kinds of operations, by the names that ATen gives them; the first that fits."""

ADVICE = {
    "feed-forward": "a narrower intermediate_size, fewer layers or pruning would save it",
    "attention": "fewer layers, or shorter texts, would save it",
    "embeddings": "the vocabulary is looked up, not multiplied: look at normalisation and dropout there",
    "pooling and heads": "fewer or smaller heads would save it",
    "other": "batches are too small to keep the CPU busy: predict several texts at a time",
}


@attrs.frozen
class Share:
    """A part of the time: milliseconds per batch, and share of the whole."""

    name: str
    milliseconds: float
    share: float


@attrs.frozen
class Profile:
    """Where the time of one forward pass goes.

    Args:
        texts: in the batch.
        tokens: in the batch, without padding.
        milliseconds: of a whole pass, on the wall, median of the repeats without the profiler.
        parts: embeddings, each layer, pooling and heads, and what lies between them ("other"); by the profiler.
        kinds: the same, summed over layers: attention, feed-forward, …
        operations: by kind of operation.
    """

    texts: int
    tokens: int
    milliseconds: float
    parts: tuple[Share, ...]
    kinds: tuple[Share, ...]
    operations: tuple[Share, ...]

    @property
    def tokens_per_second(self) -> float:
        """Real tokens per second."""
        return 1000 * self.tokens / self.milliseconds

    @property
    def bottleneck(self) -> str:
        """One sentence: which kind of layer takes the most time, by what operations, and what would save it."""
        kind, operation = self.kinds[0], self.operations[0]
        return (
            f"{kind.name} takes {kind.share:.0%} of the time, and {operation.name} {operation.share:.0%} of it all: "
            f"{ADVICE[kind.name]}."
        )

    def save(self, path: str | Path) -> Path:
        """Write the profile as JSON, whole or not at all."""
        write_file(Path(path), json_bytes({**to_dict(self), "bottleneck": self.bottleneck}))
        return Path(path)


def profile(
    model: GoalModel, texts: Sequence[str], *, length: int | None = None, repeats: int = 10, trace: str | Path | None = None
) -> Profile:
    """Profile the forward pass of a model on one batch of texts.

    Args:
        model: stays as it is.
        texts: the batch; one text shows what a phone's user waits for, many what a server's throughput is made of.
        length: pad or cut to this many tokens; without it the longest text decides.
        repeats: passes that are measured.
        trace: a file for the profiler's trace, which chrome://tracing and Perfetto open.

    Raises:
        ConfigurationError: there are no texts.
        StorageError: the trace cannot be written.
    """
    if not texts:
        raise ConfigurationError("there are no texts to profile with: give at least one")
    batch = model.tokenizer.encode(texts, length, longest=model.encoder.max_length)
    ids, mask = torch.from_numpy(batch.input_ids), torch.from_numpy(batch.attention_mask)

    def run() -> None:
        model(ids, mask, ids.shape[1])

    was_training = model.training
    model.eval()
    with torch.no_grad():
        for _ in range(WARM):
            run()
        seconds = [_timed(run) for _ in range(repeats)]
        with ExitStack() as frames:
            for name, module in _parts(model).items():
                _frame(frames, module, FRAME + name)
            activities = [torch.profiler.ProfilerActivity.CPU]
            with torch.profiler.profile(activities=activities, acc_events=True) as recorded:
                for _ in range(repeats):
                    with torch.profiler.record_function(f"{FRAME}whole"):
                        run()
    model.train(was_training)
    if trace is not None:
        _write_trace(recorded, Path(trace))
    return _read(recorded.events(), repeats, len(texts), int(batch.attention_mask.sum()), 1000 * sorted(seconds)[repeats // 2])


def _write_trace(recorded: torch.profiler.profile, path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, "trace.json")
        recorded.export_chrome_trace(str(made))
        if not made.exists():  # torch logs the reason and does not raise
            raise StorageError(f"torch could not write the trace for {path}: make room on the disk for temporary files")
        data = made.read_bytes()
    write_file(path, gzip.compress(data) if path.suffix == ".gz" else data)


def _timed(run: Callable[[], None]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _parts(model: GoalModel) -> dict[str, nn.Module]:
    """The modules to be timed: embeddings, layers and the attention in each, and heads."""
    anatomy = model.encoder.anatomy()
    found = {f"embeddings/{place}": module for place, module in enumerate(anatomy.embeddings)}
    for number, layer in enumerate(anatomy.layers, 1):
        found[f"layer {number}"] = layer
        if (attention := attention_of(layer)) is not None:
            found[f"layer {number}/attention"] = attention
    return found | {f"pooling and heads/{name}": head for name, head in model.heads.items()}


def _frame(frames: ExitStack, module: nn.Module, name: str) -> None:
    """Let the profiler know when a module's forward begins and ends."""
    stack: list[Any] = []

    def enter(*_: Any) -> None:
        stack.append(torch.profiler.record_function(name))
        stack[-1].__enter__()

    def leave(*_: Any) -> None:
        stack.pop().__exit__(None, None, None)

    frames.callback(module.register_forward_pre_hook(enter).remove)
    frames.callback(module.register_forward_hook(leave).remove)


def _read(events: Any, repeats: int, texts: int, tokens: int, milliseconds: float) -> Profile:
    frames: Counter[str] = Counter()
    operations: Counter[str] = Counter()
    for event in events:
        if event.name.startswith(FRAME):
            frames[event.name.removeprefix(FRAME)] += event.cpu_time_total
        elif event.name.startswith("aten::"):
            operations[_kind(event.name)] += event.self_cpu_time_total
    whole = frames.pop("whole")
    kinds: Counter[str] = Counter()
    parts: Counter[str] = Counter()
    for name, spent in frames.items():
        part, _, inner = name.partition("/")
        if inner == "attention":  # lies within its layer
            kinds["attention"] += spent
            kinds["feed-forward"] -= spent
        else:
            parts[part] += spent
            kinds["feed-forward" if part.startswith("layer ") else part] += spent
    for shares in (kinds, parts):
        shares["other"] = max(0, whole - sum(shares.values()))
    operations["other"] += max(0, whole - sum(operations.values()))
    per_batch = milliseconds / whole
    return Profile(
        texts,
        tokens,
        milliseconds,
        tuple(Share(name, spent * per_batch, spent / whole) for name, spent in parts.items()),
        *(
            tuple(Share(name, spent * per_batch, spent / whole) for name, spent in each.most_common())
            for each in (kinds, operations)
        ),
    )


def _kind(name: str) -> str:
    return next((kind for kind, pattern in OPERATIONS.items() if re.search(pattern, name)), "other")
