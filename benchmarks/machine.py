"""The machine and the date of a measurement."""

import datetime
import os
import platform
from importlib.metadata import version
from pathlib import Path


def machine() -> dict[str, str]:
    """Return the machine and the date, as the docs show them with every figure."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    libraries = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "coremltools", "numpy"))
    return {
        "machine": f"{os.cpu_count()} cores of {model}, {platform.system()}, Python {platform.python_version()}, {libraries}",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }
