"""Optional packages: what to install where one that is imported is not there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from goalkit.errors import MissingPackageError


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Import packages that an extra of goalkit installs. Of nested blocks the outermost names what its user asked for.

    Args:
        name: of the extra, such as "data".

    Raises:
        MissingPackageError: a package is not installed.
    """
    try:
        yield
    except (ModuleNotFoundError, MissingPackageError) as error:
        package = error.name or ""
        if not package or package.partition(".")[0] == "goalkit":
            raise
        raise MissingPackageError(package, f'pip install "goalkit[{name}]"') from error
