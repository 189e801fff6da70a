"""The one door to coremltools, which is noisy to import and slow, and to its protobuf messages."""

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

REMEDY = "pip install goalkit on Linux or macOS; coremltools has no build for Windows, but Linux runs there as WSL"

LOOKUP_WEIGHTS = 2**20
"""Weights whose indices coremltools looks up at a time: with 16 values to a palette, 64 MB for each of its temporaries."""


def coremltools() -> ModuleType:
    """coremltools, imported without its notes on versions and on proxies that exist only on macOS.

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
    """The messages of Model.proto: what a `.mlmodel` file, and the model inside a `.mlpackage`, is made of."""
    coremltools()
    from coremltools.proto import Model_pb2

    return Model_pb2  # type: ignore[no-any-return]


def mil_proto() -> ModuleType:
    """The messages of MIL.proto: what an ML program is made of."""
    coremltools()
    from coremltools.proto import MIL_pb2

    return MIL_pb2  # type: ignore[no-any-return]


@contextlib.contextmanager
def errors_alone(name: str) -> Iterator[None]:
    """Let the logger called `name` log nothing below errors."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what coremltools logs below errors, prints and draws to itself, and its known harmless warnings, for one call."""
    with (
        errors_alone("coremltools"),
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
def frugal_lookup() -> Iterator[None]:
    """Let coremltools find the palette indices of a matrix some rows at a time.

    It compares every weight with every value of the palette at once, in arrays 16 or 64 times as large as the matrix: 3 GB
    for the embeddings of bert-base, which are 65 MB.
    """
    with quiet():
        from coremltools.optimize import _utils as module
    whole = module.find_indices_for_lut

    def by_rows(data: npt.NDArray[Any], lut: npt.NDArray[Any], vector_axis: int | None = None) -> npt.NDArray[Any]:
        if lut.shape[0] != 1 or lut.shape[-1] != 1:  # a palette for each group of rows, or of vectors
            return np.asarray(whole(data, lut, vector_axis))
        parts = np.array_split(data, -(-data.size // LOOKUP_WEIGHTS))
        indices = [whole(part, lut, vector_axis) for part in parts if len(part)]
        # the type carries the number of bits as metadata, which joining arrays drops
        return np.concatenate(indices).astype(indices[0].dtype)

    module.find_indices_for_lut = by_rows
    try:
        yield
    finally:
        module.find_indices_for_lut = whole
