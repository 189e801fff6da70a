"""`goalkit doctor`."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from importlib import metadata

import click
from packaging.requirements import Requirement

NOT_FOR_USERS = frozenset({"bench", "test"})


@click.command("doctor")
def command() -> None:
    """Show versions and devices, and what is missing. The exit code is 1 if opening and running bundles needs it."""
    from goalkit.cli.tables import console, table

    rows = [("Python", platform.python_version(), f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs")]
    missing = []
    for requirement in _requirements():
        found = _version(requirement.name)
        wanted = f"needs {requirement.specifier}" if requirement.specifier else ""
        if _fits(requirement):
            rows.append((requirement.name, found or "", wanted))
        else:
            missing.append(f"{requirement.name}{requirement.specifier}")
            rows.append((requirement.name, found or "missing", f"{wanted} ✗"))
    rows += _extras()
    rows += _devices()
    table("goalkit " + metadata.version("goalkit"), ["component", "found", ""], rows, figures=False)
    if missing:
        console.print(
            f"missing: {', '.join(missing)}\nrepair with: python -m pip install -c constraints.txt goalkit", style="bold red"
        )
        raise SystemExit(1)
    console.print("all that bundles need is there", style="green")


def _requirements(extra: str = "") -> Iterator[Requirement]:
    """What an extra adds to the core; without one, what the core needs on this system."""
    for line in metadata.requires("goalkit") or ():
        requirement = Requirement(line)
        if _applies(requirement, extra) and not (extra and _applies(requirement, "")):
            yield requirement


def _applies(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _extras() -> list[tuple[str, str, str]]:
    """A row per extra: whether it is installed, and if not, which packages it lacks, or which of the extras it includes."""
    rows = []
    for name in sorted(set(metadata.metadata("goalkit").get_all("Provides-Extra") or ()) - NOT_FOR_USERS):
        lacking = _lacking(name)
        advice = f'pip install "goalkit[{name}]" adds {", ".join(lacking)}' if lacking else ""
        rows.append((f"[{name}]", "missing" if lacking else "installed", advice))
    return rows


def _lacking(extra: str) -> list[str]:
    lacking = []
    for requirement in _requirements(extra):
        if requirement.name == "goalkit":
            lacking += [f"[{name}]" for name in sorted(requirement.extras) if _lacking(name)]
        elif not _fits(requirement):
            lacking.append(requirement.name)
    return lacking


def _fits(requirement: Requirement) -> bool:
    found = _version(requirement.name)
    return found is not None and requirement.specifier.contains(found, prereleases=True)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
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
            "goalkit's own runtime executes bundles on every system"
            if _version("coremltools")
            else "no bundle can be exported or executed without coremltools",
        ),
    ]
