"""``stembridge play``: a result, heard through the virtual MIDI port."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bridge.errors import Cancelled, InvalidRequest
from bridge.interrupt import end_at_once, interruptible
from bridge.names import PARTS

if TYPE_CHECKING:
    from bridge.outputs.player import Options
    from bridge.outputs.streamer import Streamer
    from bridge.outputs.wire import Loaded, Position

#: As `bridge.outputs.player.SPEEDS` and `bridge.outputs.midi_port.PORT`, which are not loaded for --help.
_SPEEDS = (0.1, 10.0)
_PORT = "Stembridge"
#: As the setting `stream_port_name`.
_MAX_PORT_NAME = 64
#: What tells a result folder: naming it means the folder.
_MANIFEST = "manifest.json"
#: How often the song's end is looked for, so that Ctrl-C is heard on every system.
_LOOK_S = 0.5
#: How long the player may take to end its notes.
_STOP_S = 4.0


class _Parts(click.ParamType[frozenset[str]]):
    """A list such as ``bass,drums``."""

    name = "list"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> frozenset[str]:
        if isinstance(value, frozenset):
            return value
        wanted = {name.strip() for name in str(value).split(",") if name.strip()}
        if unknown := wanted - set(PARTS):
            self.fail(f"there is no part {', '.join(sorted(unknown))}; choose from {', '.join(PARTS)}", param, ctx)
        return frozenset(wanted)


class _PortName(click.ParamType[str]):
    """A name that MIDI systems take."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if not 1 <= len(text) <= _MAX_PORT_NAME or not text.isprintable():
            self.fail(f"a port's name has 1 to {_MAX_PORT_NAME} printable characters", param, ctx)
        return text


@click.command()
@click.argument("result", type=click.Path(path_type=Path), required=False)
@click.option(
    "--port",
    type=_PortName(),
    default=_PORT,
    show_default=True,
    help="Name of the virtual port, or of an existing one.",
)
@click.option("--from-bar", type=click.IntRange(1), default=1, metavar="BAR", help="Begin at this bar. Default: 1.")
@click.option(
    "--to-bar", type=click.IntRange(1), default=None, metavar="BAR", help="End after this bar. Default: the last."
)
@click.option("--loop", is_flag=True, help="Begin again at the end, until Ctrl-C.")
@click.option("--speed", type=click.FloatRange(*_SPEEDS), default=1.0, help="0.5 is half as fast. Default: 1.")
@click.option("--mute", type=_Parts(), default=frozenset(), help="Parts not to play, such as vocals,drums.")
@click.option("--solo", type=_Parts(), default=frozenset(), help="The only parts to play.")
@click.option("--clock", is_flag=True, help="Send MIDI clock, start, stop and song position.")
@click.option("--programs", is_flag=True, help="Send General MIDI programs. Default: the receiver's sounds stay.")
@click.option(
    "--midi-api",
    "api",
    default="",
    envvar="STEMBRIDGE_MIDI_API",
    metavar="NAME",
    help="MIDI system to use: alsa, jack, coremidi or winmm. Default: the first that works.",
)
@click.option("--list-ports", is_flag=True, help="Show what could be played to, and end.")
def play(result: Path | None, port: str, api: str, list_ports: bool, **choices: Any) -> None:
    """Play RESULT, a folder that `convert` made, to a MIDI port.

    Bass is on channel 1, melody on 2, vocals on 3, drums on 10. Ctrl-C stops.
    """
    if list_ports:
        _show_ports(api)
    elif result is None:
        raise click.UsageError("Which result? Name a folder that convert made.", click.get_current_context())
    else:
        _play(result, port, api, _options(**choices))


def _show_ports(api: str) -> None:
    from bridge.outputs.midi_port import backends

    for backend in backends(api):
        state = backend.reason or ("a virtual port can be made" if backend.has_virtual_ports else "existing ports only")
        click.echo(f"{backend.name:<9} {state}")
        for port in backend.ports:
            click.echo(f"{'':<9} {port}")


def _play(result: Path, port: str, api: str, options: Options) -> None:
    from bridge.outputs.streamer import Streamer

    line = _PositionLine()
    with interruptible(_give_up, patience_s=_STOP_S) as stopped, Streamer(port, api, listener=line.show) as streamer:
        song = streamer.load(_folder_of(result), options)
        line.song = song
        heard = _heard(song, options)
        opened = streamer.port
        kind = "the new port" if opened.is_virtual else "the port"
        click.echo(f"Playing {', '.join(heard)} to {kind} {opened.port} ({opened.backend}); Ctrl-C stops.")
        streamer.play()
        try:
            _play_through(streamer, stopped)
        finally:
            line.finish()


def _folder_of(result: Path) -> Path:
    """The result folder, also where its manifest was named."""
    return result.parent if result.name == _MANIFEST else result


def _heard(song: Loaded, options: Options) -> list[str]:
    """The parts that will be heard; where there are none, that was hardly meant."""
    heard = [part for part in song.parts if part not in options.muted]
    if not heard:
        raise InvalidRequest(
            f"nothing would be heard: the result has {', '.join(song.parts)}; choose others with --mute or --solo"
        )
    return heard


def _give_up(reason: str) -> None:
    """The player doesn't end; that it has lost us tells it to fall silent."""
    click.echo(f"stembridge: cancelled: {reason}", err=True)
    end_at_once(Cancelled.exit_code)


def _options(**choices: Any) -> Options:
    from bridge.outputs.player import Options

    muted: frozenset[str] = choices.pop("mute")
    solo: frozenset[str] = choices.pop("solo")
    if solo:
        muted |= frozenset(PARTS) - solo
    try:
        return Options(muted=muted, **choices)
    except ValueError as error:
        raise InvalidRequest(str(error)) from error


def _play_through(streamer: Streamer, stopped: threading.Event) -> None:
    """Wait for the song's end or for Ctrl-C. A player that stopped because we slept goes on."""
    was_playing = False
    while not stopped.is_set() and not streamer.wait(_LOOK_S):
        position = streamer.position
        if position is not None and position.state == "stopped" and was_playing:
            streamer.play()
        was_playing = position is not None and position.state == "playing"


class _PositionLine:
    """Where playing is, in one line of the terminal that is written over and over; nothing where there is none."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._width = 0
        self.song: Loaded | None = None

    def show(self, position: Position) -> None:
        """Show a position."""
        if not self._shown or self.song is None:
            return
        turn = f"  turn {position.turns + 1}" if position.turns else ""
        text = f"bar {position.bar} of {max(1, len(self.song.bars_s) - 1)}  {_clock(position.seconds)}"
        text += f" of {_clock(self.song.end_s)}{turn}"
        click.echo(f"\r{text:<{self._width}}", err=True, nl=False)
        self._width = len(text)

    def finish(self) -> None:
        """Leave the line as it is."""
        if self._width:
            click.echo(err=True)
        self._shown = False


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
