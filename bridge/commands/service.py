"""``stembridge service``: starting the daemon at login."""

from __future__ import annotations

import click

from bridge.commands.shown import echo


@click.group()
def service() -> None:
    """Have the daemon started at each login, or no more."""


@service.command()
def install() -> None:
    """Start the daemon now and at each login."""
    from bridge.instance import daemon_dir
    from bridge.service import install as run
    from bridge.service import plan_here, run_command

    echo(run(plan_here(daemon_dir()), run_command))


@service.command()
def uninstall() -> None:
    """Stop the daemon that login started, and start it no more."""
    from bridge.instance import daemon_dir
    from bridge.service import plan_here, run_command
    from bridge.service import uninstall as run

    echo(run(plan_here(daemon_dir()), run_command))


@service.command()
def status() -> None:
    """Tell whether login starts the daemon, and whether it runs."""
    from bridge.instance import daemon_dir
    from bridge.service import plan_here, run_command
    from bridge.service import status as run

    echo(run(plan_here(daemon_dir()), run_command).text)
