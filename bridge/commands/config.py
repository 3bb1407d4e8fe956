"""``stembridge config``: the settings in force."""

from __future__ import annotations

import click

from bridge.commands.shown import echo


@click.command()
def config() -> None:
    """Show the settings in force, and where each comes from."""
    from bridge.config import NAME, describe, read
    from bridge.places import config_dir

    file = config_dir() / NAME
    rows = describe(read({}))
    width = max(len(row.key) for row in rows)
    value_width = min(40, max(len(row.value) for row in rows))
    for row in rows:
        echo(f"{row.key:<{width}} = {row.value:<{value_width}}  # {row.origin}")
    echo(f"\nSettings are read from {file}" + ("" if file.exists() else ", which isn't there"))
