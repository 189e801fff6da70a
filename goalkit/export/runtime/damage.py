"""Guard for code that reads files: any exception from a damaged file becomes an error about that file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from goalkit.errors import GoalkitError, RuntimeModelError, reason_of


@contextlib.contextmanager
def model_errors(source: str | Path) -> Iterator[None]:
    """Convert exceptions from reading or executing a saved model to errors about it; the caller's arguments are checked before.

    Args:
        source: the file, as error messages name it. goalkit's own errors pass, and name the file.

    Raises:
        RuntimeModelError: any other exception was raised, which is its cause.
    """
    try:
        yield
    except GoalkitError as error:
        message = " ".join(str(error).splitlines())  # names in a damaged file may contain anything
        error.args = (message if str(source) in message else f"{source}: {message}",)
        raise
    except Exception as error:  # a damaged file can raise anything
        raise RuntimeModelError(
            f"{source} cannot be executed ({type(error).__name__}: {reason_of(error)}): restore it or export again"
        ) from error
