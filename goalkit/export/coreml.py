"""The one door to coremltools, which is noisy to import and slow, and to its protobuf messages."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from types import ModuleType


def coremltools() -> ModuleType:
    """coremltools, imported without its notes on versions and on proxies that exist only on macOS."""
    with quiet():
        import coremltools

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
def quiet() -> Iterator[None]:
    """Keep what coremltools logs below errors, prints and draws to itself, and its known harmless warnings, for one call."""
    logger = logging.getLogger("coremltools")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            # value ranges of constants are compared in half precision, where some are infinite
            warnings.filterwarnings("ignore", message="overflow encountered in cast", category=RuntimeWarning)
            # the converter leaves its temporary weight folder to the garbage collector
            warnings.filterwarnings("ignore", message="Implicitly cleaning up", category=ResourceWarning)
            yield
    finally:
        logger.setLevel(level)
