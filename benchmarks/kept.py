"""Results of fits that take minutes, kept in build/kept, so that an interrupted benchmark continues."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from goalkit.configuration import json_bytes
from goalkit.storage import write_file

KEPT = Path("build/kept")


def kept(benchmark: str, name: str, fit: Callable[[], Any]) -> Any:
    """Return what `fit` returns, which is ready for JSON; from its file if it has been called before."""
    path = KEPT / benchmark / f"{name}.json"
    if not path.exists():
        write_file(path, json_bytes(fit()))
        print(benchmark, name, flush=True)
    return json.loads(path.read_bytes())
