"""Measures packages, size and time of each install, in a fresh virtual environment."""

import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
INSTALLS = {
    "goalkit": "open, execute and verify bundles",
    "goalkit[data]": "also read, clean, inspect, split and augment texts",
    "goalkit[export]": "also load, compress and export models",
    "goalkit[train]": "all of these, and train, search, evaluate",
    "goalkit[all]": "also read Excel workbooks (`[xlsx]`) and translate texts (`[translation]`)",
}


def measure(data: Path | None) -> dict[str, Any]:
    """Measure every install, one after the other, with the versions in constraints.txt."""
    return {"installs": {name: install(ROOT, name.removeprefix("goalkit")) for name in INSTALLS}}


def install(tree: Path, extras: str) -> dict[str, float]:
    """Install `tree`; return the packages besides pip, bytes of site-packages without pip, and seconds including downloads."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder, "Scripts" if sys.platform == "win32" else "bin", "python")
        start = time.perf_counter()
        command = ["install", "--quiet", "--constraint", str(ROOT / "constraints.txt"), f"{tree}{extras}"]
        subprocess.run([python, "-m", "pip", *command], check=True)
        seconds = time.perf_counter() - start
        listed = subprocess.run([python, "-m", "pip", "list", "--format", "json"], check=True, capture_output=True).stdout
        packages = {each["name"] for each in json.loads(listed)} - {"pip"}
        site = subprocess.run(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], check=True, capture_output=True, text=True
        ).stdout.strip()
        size = sum(
            Path(place, name).lstat().st_size
            for place, _, names in os.walk(site)
            for name in names
            if not Path(place).relative_to(site).parts[:1] or not Path(place).relative_to(site).parts[0].startswith("pip")
        )
        return {"packages": len(packages), "bytes": size, "seconds": round(seconds, 1)}


def table(found: dict[str, Any]) -> str:
    """Return the table of the README."""
    lines = ["| install | purpose | packages | size | time |", "|---|---|---|---|---|"]
    for name, each in found["installs"].items():
        command = f'`pip install "{name}"`' if "[" in name else f"`pip install {name}`"
        lines.append(
            f"| {command} | {INSTALLS[name]} | {each['packages']} | {each['bytes'] / 1e6:.0f} MB | {each['seconds']:.0f} s |"
        )
    return "\n".join([*lines, ""])
