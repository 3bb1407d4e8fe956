"""The options that commands share: what to convert, how notes become MIDI, what to deliver.

An option that isn't given is None; what holds then is said once, by the dataclasses of `bridge.model`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bridge.commands.values import (
    DeliveriesType,
    GridType,
    GrooveType,
    NumberType,
    PartsType,
    ProgramType,
    RangeType,
    ScaleType,
    SoundfontType,
)
from bridge.errors import InvalidRequest
from bridge.names import DEFAULT_DELIVERIES, DELIVERIES, DRUM_ENGINES, PARTS, RECORDINGS, SEPARATORS, USUAL_TIGHTNESS

if TYPE_CHECKING:
    from bridge.model import DeliverOptions, MidiOptions

#: What no music has, but a typing error may.
BPM_RANGE = (20.0, 400.0)
#: Four octaves either way: more leaves nothing of most parts within MIDI's range.
TRANSPOSE_RANGE = (-48, 48)
OUT_HELP = "Where results go. Default: the working directory."

_Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

_SOURCE_OPTIONS = (
    click.option("--out", "out", type=click.Path(path_type=Path), default=Path(), help=OUT_HELP),
    click.option(
        "--separator",
        type=click.Choice(SEPARATORS),
        default="auto",
        show_default=True,
        help="What splits the song into stems.",
    ),
    click.option(
        "--as",
        "recording",
        type=click.Choice(RECORDINGS),
        default=None,
        help="The recording is this one instrument, or is to stay one mix.",
    ),
    click.option(
        "--parts", type=PartsType(), default=PARTS, help="Which parts to make, such as bass,drums. Default: all."
    ),
    click.option(
        "--bpm",
        type=NumberType(*BPM_RANGE),
        default=None,
        help="The tempo, where you know it. Default: detected.",
    ),
    click.option(
        "--range", "range_s", type=RangeType(), default=None, help="Convert only these seconds, such as 30:45.5."
    ),
    click.option("--no-stems", is_flag=True, help="Leave the stems out of the result."),
    click.option(
        "--drum-engine",
        type=click.Choice(DRUM_ENGINES),
        default="auto",
        show_default=True,
        help="What finds the drum hits.",
    ),
    click.option(
        "--tightness",
        type=NumberType(0.0, 1.0),
        default=USUAL_TIGHTNESS,
        show_default=True,
        help="Pitched notes: 0 for every candidate, 1 for only the sure ones.",
    ),
    click.option("--force", is_flag=True, help="Do everything again, whatever the cache holds."),
)
#: Named as the fields of `bridge.model.MidiOptions`.
_MIDI_OPTIONS = {
    "quantize": click.option("--quantize", type=GridType(), help="Move notes to this grid, such as 1/16; or off."),
    "strength": click.option(
        "--strength", type=NumberType(0.0, 1.0), help="How far notes move to the grid. Default: 1."
    ),
    "swing": click.option(
        "--swing", type=NumberType(0.0, 1.0), help="Delay of every second grid line; 0.67 is a triplet feel."
    ),
    "transpose": click.option(
        "--transpose", type=click.IntRange(*TRANSPOSE_RANGE), help="Semitones to add to pitched parts."
    ),
    "pitch_bend": click.option(
        "--pitch-bend/--no-pitch-bend",
        default=None,
        help="Write the pitch contour of bass and vocals as pitch bend. Default: no.",
    ),
    "scale": click.option(
        "--scale",
        type=ScaleType(),
        help="Move pitched notes onto a scale, such as 'A minor', or that of the song's key: key; or off.",
    ),
    "groove": click.option(
        "--groove",
        type=GrooveType(),
        help="Give all parts the feel of one, such as drums, or of a groove's file; or off.",
    ),
    "groove_strength": click.option(
        "--groove-strength", type=NumberType(0.0, 1.0), help="How much of the groove. Default: 1."
    ),
    "humanize": click.option(
        "--humanize", type=NumberType(0.0, 1.0), help="Let notes stray, at 1 by up to 20 ms and 16 steps of velocity."
    ),
    "seed": click.option("--seed", type=click.IntRange(0), help="Another number lets notes stray otherwise."),
    "programs": click.option(
        "--program",
        "programs",
        type=ProgramType(),
        multiple=True,
        callback=lambda _ctx, _param, value: dict(value) or None,
        help="The General MIDI program of a part, counted from 0, such as bass=33; may be given for each part.",
    ),
    "expression": click.option(
        "--expression/--no-expression",
        default=None,
        help="Write the loudness of pitched stems as control change 11. Default: no.",
    ),
}
#: Named as the fields of `bridge.model.DeliverOptions`.
_DELIVER_OPTIONS = {
    "kinds": click.option(
        "--deliver",
        "kinds",
        type=DeliveriesType(),
        metavar="LIST",
        help=f"What to make besides, of {', '.join(DELIVERIES)}; all or none. Default: {','.join(DEFAULT_DELIVERIES)}.",
    ),
    "loop_bars": click.option("--loop-bars", type=click.IntRange(1, 999), help="Bars of a loop. Default: 8."),
    "split_notes": click.option(
        "--split-notes/--whole-notes",
        default=None,
        help="Cut notes where their loop ends, or leave them whole. Default: cut.",
    ),
    "audio_tracks": click.option(
        "--audio-tracks/--no-audio-tracks",
        default=None,
        help="Put the stems into the Live Set and the DAWproject, beside the MIDI. Default: yes.",
    ),
    "soundfont": click.option(
        "--soundfont",
        type=SoundfontType(),
        metavar="FILE",
        help="What previews are played with (.sf2, .sf3); or bundled, for the sounds that come with Stembridge.",
    ),
}


def conversion_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What to convert, and what of it."""
    return _with(command, _SOURCE_OPTIONS)


def midi_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """How notes become MIDI; `midi_options_of` reads them."""
    return _with(command, _MIDI_OPTIONS.values())


def deliver_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What to deliver, and how; `deliver_options_of` reads them."""
    return _with(command, _DELIVER_OPTIONS.values())


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Whether events are printed for programs."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON event a line.")(command)


def midi_options_of(given: Mapping[str, Any], otherwise: MidiOptions) -> MidiOptions:
    """The options that were given on the command line; those that weren't are as `otherwise` has them.

    Raises
    ------
    InvalidRequest
        If they don't go together.
    """
    changes = {name: given[name] for name in _MIDI_OPTIONS if given[name] is not None}
    changes |= {name: changes[name] or None for name in ("quantize", "scale", "groove") if name in changes}
    if "programs" in changes:
        changes["programs"] = {**otherwise.programs, **changes["programs"]}
    options = replace(otherwise, **changes)
    if options.quantize is None and (changes.get("swing") or changes.get("strength", 1.0) != 1.0):
        raise InvalidRequest("--strength and --swing say how to quantise: give the grid with --quantize, such as 1/16")
    if options.groove is None and "groove_strength" in changes:
        raise InvalidRequest("--groove-strength says how much of a groove: give that with --groove, such as drums")
    return options


def has_midi_options(given: Mapping[str, Any]) -> bool:
    """Whether any option of `midi_options` was given."""
    return any(given[name] is not None for name in _MIDI_OPTIONS)


def deliver_options_of(given: Mapping[str, Any], otherwise: DeliverOptions) -> DeliverOptions:
    """The options that were given on the command line; those that weren't are as `otherwise` has them."""
    changes = {name: given[name] for name in _DELIVER_OPTIONS if given[name] is not None}
    if "soundfont" in changes:
        changes["soundfont"] = changes["soundfont"] or None
    return replace(otherwise, **changes)


def _with(command: Callable[..., Any], options: Iterable[_Decorator]) -> Callable[..., Any]:
    """A command with options; the help lists them in this order."""
    for option in reversed(list(options)):
        command = option(command)
    return command
