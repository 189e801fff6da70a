"""`goalkit doctor`."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version

import click
from packaging.requirements import Requirement


@click.command("doctor")
def command() -> None:
    """Show versions and devices, and what is missing. The exit code is 1 if anything is missing."""
    from goalkit.cli.tables import console, table

    rows = [("Python", platform.python_version(), f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs")]
    missing = []
    for requirement in _requirements():
        found = _version(requirement.name)
        wanted = f"needs {requirement.specifier}" if requirement.specifier else ""
        if found is None or not requirement.specifier.contains(found, prereleases=True):
            missing.append(str(requirement))
            rows.append((requirement.name, found or "missing", f"{wanted} ✗"))
        else:
            rows.append((requirement.name, found, wanted))
    rows += _devices()
    table("goalkit " + version("goalkit"), ["component", "found", ""], rows, figures=False)
    if missing:
        console.print(
            f"missing: {', '.join(missing)}\nrepair with: python -m pip install -c constraints.txt goalkit", style="bold red"
        )
        raise SystemExit(1)
    console.print("nothing is missing", style="green")


def _requirements() -> Iterator[Requirement]:
    for line in requires("goalkit") or ():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _devices() -> list[tuple[str, str, str]]:
    try:
        import torch

        from goalkit.precision import best_precision
    except ImportError as error:
        return [("devices", "unknown", f"torch cannot be imported ({error})")]
    bfloat16 = best_precision() is torch.bfloat16
    cuda = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none"
    return [
        (
            "CPU",
            f"{torch.get_num_threads()} threads",
            "native bfloat16: training uses it" if bfloat16 else "no native bfloat16: training uses float32",
        ),
        ("CUDA", cuda, ""),
        ("MPS", "yes" if torch.backends.mps.is_available() else "none", ""),
        (
            "Core ML",
            "yes" if platform.system() == "Darwin" else "none",
            "goalkit's own runtime executes bundles on every system",
        ),
    ]
