"""Tracing so that a graph holds nothing but tensor operations of fixed shape, with constants that half precision can hold."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from goalkit.export.coreml import errors_alone
from goalkit.export.runtime.ranges import LARGEST_HALF

MASK_VALUE = -1e4
"""Added to the attention scores of padding in half precision. exp(-1e4) is 0 (ml-ane-transformers uses the same)."""

_SHAPE: Any = torch.Tensor.shape
_SIZES = frozenset({torch.Tensor.size, _SHAPE.__get__, torch.Tensor.numel, torch.Tensor.__len__})


class PlainGraph(TorchFunctionMode):
    """While it is active, shapes are numbers and not part of the graph, and constants beyond half precision are masks.

    A trace records shapes that a model reads off its tensors as operations, with casts that coremltools cannot convert on
    every version of numpy; exported lengths are fixed, so a number says the same. Models mask with the smallest number of
    float32, which is infinite in half precision: with `half` it becomes -1e4, which is as good as long as scores are smaller.
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
        if func is torch.Tensor.new_ones:  # which coremltools does not know
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
    """Tracing looks at every attribute of every module, and so meets some that transformers warns about."""
    with errors_alone("transformers.modeling_utils"), warnings.catch_warnings():
        # attention implementations are chosen by comparing shapes, which are constants here
        warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)  # type: ignore[attr-defined]
        warnings.filterwarnings("ignore", message=r"`torch\.jit\.trace\w*` is deprecated", category=DeprecationWarning)
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated", category=FutureWarning)
        yield
