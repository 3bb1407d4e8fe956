"""``stembridge device``: the Max for Live devices, in Live's User Library."""

from __future__ import annotations

from pathlib import Path

import click

from bridge.commands.shown import echo

_TO = click.option(
    "--to",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    help="A folder for the devices. Default: Live's User Library.",
)


@click.group()
def device() -> None:
    """Put the Max for Live device into Live, or tell where it is."""


@device.command()
@_TO
def install(to: Path | None) -> None:
    """Put the devices into Live's User Library, linked to the daemon of this user; again after each update."""
    from bridge.device_files import install as run
    from bridge.device_files import places
    from bridge.instance import daemon_dir, secret
    from bridge.live_library import this_computer

    files = [place.file for place in places(this_computer(), to)]
    run(files, secret(daemon_dir()), _daemon_port())
    for file in files:
        echo(f"installed {file}")
    where = "from that folder" if to else "in Live's browser under Audio Effects > Max Audio Effect"
    echo(f"\nDrag Stembridge {where} onto a track. Devices of an older version in a Set: replace them.")


@device.command()
@_TO
def path(to: Path | None) -> None:
    """Print where the devices are, one a line."""
    from bridge.device_files import places
    from bridge.errors import InvalidRequest
    from bridge.live_library import this_computer

    command = f'stembridge device install --to "{to}"' if to else "stembridge device install"
    there = [place for place in places(this_computer(), to) if place.is_there]
    if not there:
        raise InvalidRequest(f"the device isn't installed: run {command}")
    for place in there:
        echo(str(place.file))
    if not all(place.is_current for place in there):
        click.echo(f"stembridge: it is of another version: run {command}", err=True)


def _daemon_port() -> int:
    """The port of the daemon that runs, else the one in the settings.

    Raises
    ------
    InvalidRequest
        If the settings leave it to chance and no daemon runs, or are wrong.
    """
    from bridge.config import read
    from bridge.errors import InvalidRequest
    from bridge.instance import daemon_dir, running

    found = running(daemon_dir())
    port = found.osc_port if found is not None and found.osc_port else read({}).settings.osc_port
    if not port:
        raise InvalidRequest("osc_port is 0, any free port, so the device can't know it: set one, such as 17900")
    return port
