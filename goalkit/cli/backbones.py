"""`goalkit backbones`."""

from __future__ import annotations

import click


@click.command("backbones")
def command() -> None:
    """List the installed backbones, and the plugins that cannot be loaded."""
    from goalkit.backbones import installed_backbones
    from goalkit.cli.tables import table
    from goalkit.errors import BackboneError

    rows = []
    for name, installed in installed_backbones().items():
        try:
            said = installed.load().summary
        except BackboneError as fault:
            said = f"broken: {fault}"
        rows.append((name, installed.package, said))
    table("Backbones", ["name", "package", "what it is"], rows, figures=False)
