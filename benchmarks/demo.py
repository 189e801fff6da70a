"""Measures the results and the duration of `goalkit demo`."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any


def measure(data: Path | None) -> dict[str, Any]:
    """Run the demo as a new user does, and return its measurements."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "goalkit", "demo", "--output", folder], check=True)
        results: dict[str, Any] = json.loads((Path(folder) / "demo.json").read_bytes())
        manifest = json.loads((Path(folder) / "GoalAnalyzer" / "manifest.json").read_bytes())
    return {**results, "measured": manifest["measured"]}
