"""What the process that plays and its parent say: orders one way, reports the other, a line of ASCII JSON each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from bridge.outputs.player import Options

#: Longer lines come from nobody we know. A conversion's notes are handed over in small portions.
MAX_LINE_BYTES = 4 << 20

PartName = Literal["bass", "melody", "vocals", "drums"]
_Byte = Annotated[int, Meta(ge=0, le=127)]
_Seconds = Annotated[float, Meta(ge=0.0, le=1e6)]


class Order(Struct, frozen=True, tag_field="do", forbid_unknown_fields=True):
    """What the parent wants."""


class Beat(Order, frozen=True, tag="beat"):
    """The parent is alive; comes at least once a second."""


class Load(Order, frozen=True, tag="load"):
    """Take a result folder; answered by `Loaded` or `Failed` with the same number."""

    number: int
    folder: str
    options: Options


class Grow(Order, frozen=True, tag="grow"):
    """Take a song that is still being made. It has no bars yet, so options that name some, or loop, don't count."""

    parts: tuple[PartName, ...]
    options: Options


class Add(Order, frozen=True, tag="add"):
    """Notes of a growing song: (onset s, offset s, pitch, velocity), all that lie before `known_s`."""

    part: PartName
    notes: tuple[tuple[_Seconds, _Seconds, _Byte, Annotated[int, Meta(ge=1, le=127)]], ...]
    known_s: float


class Complete(Order, frozen=True, tag="complete"):
    """All of a growing song is there."""


class Play(Order, frozen=True, tag="play"):
    """Play, or go on."""


class Stop(Order, frozen=True, tag="stop"):
    """Stop where it is."""


class Clear(Order, frozen=True, tag="clear"):
    """End whatever a process before this one may have left sounding: pitches by channel."""

    pitches: Mapping[int, tuple[int, ...]]


#: There is none to end: the process ends when its standard input does.
Orders = Beat | Load | Grow | Add | Complete | Play | Stop | Clear


class Report(Struct, frozen=True, tag_field="is"):
    """What the process that plays has to say."""


class Ready(Report, frozen=True, tag="ready"):
    """The port is open: its back-end, its name, and whether it is a virtual one."""

    backend: str
    port: str
    is_virtual: bool


class Loaded(Report, frozen=True, tag="loaded"):
    """A folder was taken: its parts, where its bars begin, its length, and the pitches it will use on each channel."""

    number: int
    parts: tuple[str, ...]
    bars_s: tuple[float, ...]
    end_s: float
    pitches: dict[int, tuple[int, ...]]


class Failed(Report, frozen=True, tag="failed"):
    """An order (by its number), or with number 0 the process itself, failed: the error's code and text."""

    number: int
    code: str
    text: str


class Position(Report, frozen=True, tag="position"):
    """Where playing is; comes a few times a second and whenever the state changes.

    Attributes
    ----------
    state
        ``playing``, ``waiting`` (for the conversion), ``stopped`` or ``ended``.
    seconds, bar
        Place in the song; bars count from 1.
    turns
        How often a loop was begun again.
    zero_s
        When the song's second 0 was or would have been, by the system's monotonic clock.
    begun
        How many notes were begun so far.
    late_ms
        How late notes were sent: median, 99th percentile and latest.
    stalls
        How often the process was asleep, and playing went on where it was.
    """

    state: str
    seconds: float
    bar: int
    turns: int
    zero_s: float
    begun: int
    late_ms: tuple[float, float, float]
    stalls: int


class Cleared(Report, frozen=True, tag="cleared"):
    """What `Clear` asked for is done."""


class Bye(Report, frozen=True, tag="bye"):
    """The process ends, every note ended: ``closed`` (its standard input) or ``terminated`` (by a signal)."""

    reason: str


Reports = Ready | Loaded | Failed | Position | Cleared | Bye


def to_line(value: Order | Report) -> bytes:
    """An order or report as its line; a folder whose name is not Unicode passes as escaped surrogates."""
    return json.dumps(msgspec.to_builtins(value, str_keys=True)).encode("ascii") + b"\n"


def order_from(line: bytes) -> Orders:
    """The order in a line; `ValueError` if it is none."""
    order: Orders = msgspec.convert(_parsed(line), Orders, str_keys=True)
    return order


def report_from(line: bytes) -> Reports:
    """The report in a line; `ValueError` if it is none."""
    report: Reports = msgspec.convert(_parsed(line), Reports, str_keys=True)
    return report


def _parsed(line: bytes) -> object:
    try:
        parsed: object = json.loads(line)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return parsed
