"""``stembridge groove``: the feel of a part as a file, for the parts of other songs."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import click

from bridge.commands.values import GridType
from bridge.errors import InvalidRequest
from bridge.names import COMPONENTS, PARTS


@click.command(short_help="Keep the timing and accents of a part as a file.")
@click.argument("result", type=click.Path(path_type=Path))
@click.argument("part", type=click.Choice((*PARTS, *COMPONENTS)))
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--grid", type=GridType(), default="1/16", show_default=True, help="Length of a step.")
@click.option("--bars", type=click.IntRange(1, 64), default=1, show_default=True, help="Bars after which it repeats.")
def groove(result: Path, part: str, file: Path, grid: Fraction, bars: int) -> None:
    """Take the timing and accents of PART from RESULT, a folder that `convert` made, and write them to FILE.

    `convert` and `deliver` give them to other parts with --groove FILE.
    """
    from bridge.deliver.song import read_song
    from bridge.disk import printable, unwritable, write_whole
    from bridge.music.groove import extract
    from bridge.write.grooves import encode

    if not grid:
        raise InvalidRequest("a groove needs a grid, such as 1/16")
    song = read_song(result)
    notes = next((known.raw_notes for known in song.parts if known.name == part), ())
    if not notes:
        raise InvalidRequest(f"{printable(result)} has no notes of {part} to take a groove from")
    found = extract(notes, song.timeline, grid, bars)
    try:
        write_whole(file, encode(found))
    except OSError as error:
        raise unwritable(file, error, "choose another place") from error
    played = sum(step is not None for step in found.steps)
    click.echo(f"{played} of {len(found.steps)} steps are played by {part}; written to {printable(file)}")
