"""The command line: `goalkit` and its commands. Only this package prints; the library logs."""

from __future__ import annotations

import importlib
import logging
import sys

import click

from goalkit.errors import GoalkitError

_COMMANDS = {
    "demo": "Build a verified bundle from the shipped goals.",
    "clean": "Clean labelled texts and log each change.",
    "quality": "Check labelled texts before training.",
    "train": "Train a model on labelled texts.",
    "distil": "Distil a trained model into a smaller one, on texts without labels.",
    "search": "Search for training settings.",
    "evaluate": "Evaluate a trained model.",
    "compress": "Compress a trained model with a recipe, or within a budget.",
    "profile": "Measure where a model spends its time.",
    "export": "Compress a trained model and export a Core ML bundle.",
    "verify": "Execute a bundle's files and compare them with the original model.",
    "predict": "Predict labels of goals with a bundle.",
    "backbones": "List the installed backbones.",
    "doctor": "Check the installation.",
}


class _Commands(click.Group):
    """A group that imports a command's module only when it is called, so that `goalkit --help` is fast."""

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
    epilog="Start with `goalkit demo`. No command overwrites its input. "
    "Exit codes: 0 success, 1 error, 2 wrong usage, 3 a check failed.",
)
@click.version_option(package_name="goalkit")
@click.option("-v", "--verbose", is_flag=True, help="Also show the log messages of the library.")
def goalkit(verbose: bool) -> None:
    """Turn Chinese daily goals into a small model that runs, and keeps learning, on an iPhone."""
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(name)s: %(message)s", stream=sys.stderr)


def main() -> None:
    """Entry point. A GoalkitError is printed as one line on standard error; the exit code is 1."""
    try:
        goalkit()
    except GoalkitError as error:
        click.echo(f"goalkit: {error}", err=True)
        sys.exit(1)
