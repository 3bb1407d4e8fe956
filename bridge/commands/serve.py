"""``stembridge serve``: the daemon."""

from __future__ import annotations

from pathlib import Path

import click

from bridge.commands.shown import absolute, echo

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command(short_help="Wait for work from Live and watched folders.")
@click.option(
    "--osc-port", type=click.IntRange(0, 65535), default=None, help="UDP port for the device in Live; 0: any free one."
)
@click.option(
    "--watch", "watch", type=FOLDER, multiple=True, help="Convert what is put into this folder; may be given again."
)
@click.option(
    "--stream/--no-stream",
    default=None,
    help="Play conversions to the virtual MIDI port Stembridge, as their parts are found.",
)
@click.option("--out", "out", type=click.Path(file_okay=False, path_type=Path), default=None, help="Where results go.")
@click.option(
    "--midi-api", default="", envvar="STEMBRIDGE_MIDI_API", metavar="NAME", help="MIDI system, as for stembridge play."
)
def serve(osc_port: int | None, watch: tuple[Path, ...], stream: bool | None, out: Path | None, midi_api: str) -> None:
    """Wait for work, until Ctrl-C: from the device in Live and from watched folders.

    What isn't given here is taken from the settings: stembridge config.
    """
    from bridge.config import read
    from bridge.daemon import serve as run
    from bridge.instance import daemon_dir

    flags = {
        "osc_port": osc_port,
        "watch": [absolute(folder) for folder in watch] or None,
        "stream": stream,
        "out_dir": None if out is None else absolute(out),
    }
    run(read(flags).settings, daemon_dir(), midi_api=midi_api, say=echo)
