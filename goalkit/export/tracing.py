"""Tracing a graph of tensor operations of fixed shape only, with constants that half precision can hold."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from goalkit.export.coreml import only_errors
from goalkit.export.runtime.ranges import LARGEST_HALF

MASK_VALUE = -1e4
"""Added to the attention scores of padding in half precision. exp(-1e4) is 0 (ml-ane-transformers uses the same)."""

_SHAPE: Any = torch.Tensor.shape
_SIZES = frozenset({torch.Tensor.size, _SHAPE.__get__, torch.Tensor.numel, torch.Tensor.__len__})


class PlainGraph(TorchFunctionMode):
    """While active, replaces shapes by plain numbers, and mask constants by ones that fit half precision.

    A trace records the shapes that a model reads from its tensors as operations, with casts that coremltools cannot convert
    with every version of numpy; as exported lengths are fixed, numbers suffice. Models mask with the smallest float32 number,
    which is infinite in half precision: with `half` it becomes -1e4, which is equivalent as long as scores are smaller.
    """

    def __init__(self, *, half: bool) -> None:
        super().__init__()
        self._half = half

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """See `TorchFunctionMode`."""
        if func in _SIZES:
            return _numbers(func(*args, **(kwargs or {})))
        if func is torch.Tensor.new_ones:  # unknown to coremltools
            one = torch.tensor(1, dtype=(kwargs or {}).get("dtype", args[0].dtype))
            return one.expand(*args[1:]) if any(args[1:]) else one
        if self._half:
            args = tuple(map(_bounded, args))
            kwargs = {name: _bounded(value) for name, value in (kwargs or {}).items()}
        return func(*args, **(kwargs or {}))


def _numbers(size: Any) -> Any:
    return torch.Size(map(int, size)) if isinstance(size, tuple) else int(size)


def _bounded(value: Any) -> Any:
    if isinstance(value, float) and abs(value) > LARGEST_HALF:
        return MASK_VALUE if value < 0 else -MASK_VALUE
    return value


@contextlib.contextmanager
def quiet_tracing() -> Iterator[None]:
    """Suppress warnings of transformers: tracing reads every attribute of every module, including deprecated ones."""
    with only_errors("transformers.modeling_utils"), warnings.catch_warnings():
        # attention implementations are chosen by comparing shapes, which are constants here
        warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)  # type: ignore[attr-defined]
        warnings.filterwarnings("ignore", message=r"`torch\.jit\.trace\w*` is deprecated", category=DeprecationWarning)
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated", category=FutureWarning)
        yield
