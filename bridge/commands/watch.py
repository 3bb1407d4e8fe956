"""``stembridge watch``: the daemon with watched folders alone."""

from __future__ import annotations

from pathlib import Path

import click

from bridge.commands.serve import FOLDER
from bridge.commands.shown import absolute, echo


@click.command(short_help="Convert what is put into folders.")
@click.argument("folders", metavar="FOLDER...", type=FOLDER, nargs=-1, required=True)
@click.option(
    "--out",
    "out",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Where results go. Default: as the settings say.",
)
def watch(folders: tuple[Path, ...], out: Path | None) -> None:
    """Convert what is put into FOLDERs, until Ctrl-C; what is in them already comes first."""
    from bridge.config import read
    from bridge.daemon import serve as run
    from bridge.instance import daemon_dir

    flags = {
        "watch": [absolute(folder) for folder in folders],
        "out_dir": None if out is None else absolute(out),
        "stream": False,
    }
    run(read(flags).settings, daemon_dir(), listen=False, say=echo)
