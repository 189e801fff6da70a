"""`goalkit backbones`."""

from __future__ import annotations

import click


@click.command("backbones")
def command() -> None:
    """List the installed backbones and plugins that cannot be loaded."""
    from goalkit.backbones import installed_backbones
    from goalkit.cli.tables import table
    from goalkit.errors import BackboneError

    rows = []
    for name, installed in installed_backbones().items():
        try:
            summary = installed.load().summary
        except BackboneError as error:
            summary = f"broken: {error}"
        rows.append((name, installed.package, summary))
    table("Backbones", ["name", "package", "description"], rows, figures=False)
