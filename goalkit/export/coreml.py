"""The only import of coremltools, which is slow and noisy, and of its protobuf messages."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from goalkit.errors import MissingPackageError

REMEDY = "pip install goalkit on Linux or macOS; coremltools has no build for Windows, but runs in WSL"

LOOKUP_WEIGHTS = 2**20
"""Number of weights whose palette indices are looked up at once: 64 MB per temporary array with 16 values per palette."""


def coremltools() -> ModuleType:
    """Import coremltools without its warnings about versions and about proxies that exist only on macOS.

    Raises:
        MissingPackageError: it is not installed.
    """
    try:
        with quiet():
            import coremltools
    except ModuleNotFoundError as error:
        raise MissingPackageError(error.name or "coremltools", REMEDY) from error
    return coremltools  # type: ignore[no-any-return]


def model_proto() -> ModuleType:
    """The messages of Model.proto, of which a `.mlmodel` file, or the model inside a `.mlpackage`, consists."""
    coremltools()
    from coremltools.proto import Model_pb2

    return Model_pb2  # type: ignore[no-any-return]


def mil_proto() -> ModuleType:
    """The messages of MIL.proto, of which an ML program consists."""
    coremltools()
    from coremltools.proto import MIL_pb2

    return MIL_pb2  # type: ignore[no-any-return]


@contextlib.contextmanager
def only_errors(name: str) -> Iterator[None]:
    """Silence the logger called `name` below the level of errors."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Suppress coremltools' output, progress bars, known harmless warnings and log messages below errors."""
    with (
        only_errors("coremltools"),
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        # value ranges of constants are compared in half precision, where some are infinite
        warnings.filterwarnings("ignore", message="overflow encountered in cast", category=RuntimeWarning)
        # the converter leaves its temporary weight folder to the garbage collector
        warnings.filterwarnings("ignore", message="Implicitly cleaning up", category=ResourceWarning)
        yield


@contextlib.contextmanager
def chunked_lookup() -> Iterator[None]:
    """Look up the palette indices of a matrix in chunks of rows.

    coremltools compares every weight with every palette value at once, in arrays 16 or 64 times as large as the matrix: 3 GB
    for the embeddings of bert-base, which take 65 MB.
    """
    with quiet():
        from coremltools.optimize import _utils as module
    whole = module.find_indices_for_lut

    def by_rows(data: npt.NDArray[Any], lut: npt.NDArray[Any], vector_axis: int | None = None) -> npt.NDArray[Any]:
        if lut.shape[0] != 1 or lut.shape[-1] != 1:  # a palette per group of rows, or a vector palette
            return np.asarray(whole(data, lut, vector_axis))
        parts = np.array_split(data, -(-data.size // LOOKUP_WEIGHTS))
        indices = [whole(part, lut, vector_axis) for part in parts if len(part)]
        # the type carries the number of bits as metadata, which concatenating arrays drops
        return np.concatenate(indices).astype(indices[0].dtype)

    module.find_indices_for_lut = by_rows
    try:
        yield
    finally:
        module.find_indices_for_lut = whole
