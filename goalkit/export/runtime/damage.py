"""One guard for everything that reads files: whatever a damaged file raises becomes an error about that file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from goalkit.errors import GoalkitError, RuntimeModelError, reason_of


@contextlib.contextmanager
def blamed_on(source: str | Path) -> Iterator[None]:
    """Turn what reading or executing a saved model raises into an error about it. What the caller gave is checked before.

    Args:
        source: the file, as errors are to call it. An error of goalkit itself passes, and names the file.

    Raises:
        RuntimeModelError: for anything else that was raised, which is its cause.
    """
    try:
        yield
    except GoalkitError as error:
        message = " ".join(str(error).splitlines())  # names in a damaged file may hold anything
        error.args = (message if str(source) in message else f"{source}: {message}",)
        raise
    except Exception as error:  # a damaged file can raise anything
        raise RuntimeModelError(
            f"{source} cannot be executed as it stands ({type(error).__name__}: {reason_of(error)}): restore it or export again"
        ) from error
