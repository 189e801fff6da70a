"""The command line: `goalkit` and its commands. It alone prints; the library logs."""

from __future__ import annotations

import importlib
import logging
import sys

import click

from goalkit.errors import GoalkitError

_COMMANDS = {
    "demo": "Make a verified bundle from the goals that ship with goalkit.",
    "clean": "Clean labelled texts, and log each change.",
    "quality": "Inspect labelled texts before anything is trained on them.",
    "train": "Train a model on labelled texts.",
    "search": "Search for settings to train with.",
    "evaluate": "Report how good a trained model is.",
    "profile": "Tell where a model spends its time.",
    "export": "Compress a trained model and write a Core ML bundle.",
    "verify": "Execute a bundle's files and hold them to what they came from.",
    "predict": "Ask a bundle about goals.",
    "backbones": "List the installed backbones.",
    "doctor": "Tell what this machine has, and what is missing.",
}


class _Commands(click.Group):
    """A group that imports a command's module only when it is called, so that `goalkit --help` answers at once."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(f"goalkit.cli.{name}"), "command")  # noqa: B009
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(
    cls=_Commands,
    epilog="Start with `goalkit demo`. No command writes over what it reads. "
    "Exit codes: 0 done, 1 something is wrong and told, 2 wrong usage, 3 a gate failed.",
)
@click.version_option(package_name="goalkit")
@click.option("-v", "--verbose", is_flag=True, help="Also show what the library logs.")
def goalkit(verbose: bool) -> None:
    """Turn Chinese daily goals into a small model that runs, and keeps learning, on an iPhone."""
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(name)s: %(message)s", stream=sys.stderr)


def main() -> None:
    """Entry point. A GoalkitError becomes one line on standard error and exit code 1."""
    try:
        goalkit()
    except GoalkitError as error:
        click.echo(f"goalkit: {error}", err=True)
        sys.exit(1)
