"""Measures the seconds that `import goalkit` adds to starting Python."""

import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

RUNS = 15


def measure(data: Path | None) -> dict[str, Any]:
    """Return the median seconds that each import adds, measured in turns with starting Python alone."""
    statements = {"nothing": "pass", "goalkit": "import goalkit", "goalkit.export": "import goalkit.export"}
    seconds: dict[str, list[float]] = {name: [] for name in statements}
    for _ in range(RUNS):
        for name, statement in statements.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", statement], check=True)
            seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(each) for name, each in seconds.items()}
    return {"seconds": {name: round(medians[name] - medians["nothing"], 4) for name in statements if name != "nothing"}}
