"""What the worker process says: a line of JSON for each event on its standard output."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

#: Longer lines are no news: the longest true one has two paths (32,767 characters each, six bytes a character) in it.
MAX_LINE_BYTES = 512 << 10
#: Notes in one line: each takes some 40 bytes, and `MAX_LINE_BYTES` are far away.
MAX_FOUND = 2000

PartName = Literal["bass", "melody", "vocals", "drums"]
_Seconds = Annotated[float, Meta(ge=0.0, le=1e6)]
FoundNote = tuple[_Seconds, _Seconds, Annotated[int, Meta(ge=0, le=127)], Annotated[int, Meta(ge=1, le=127)]]


class Advanced(Struct, frozen=True, tag_field="event", tag="progress"):
    """The conversion is at `fraction` (0 to 1) of `stage`."""

    stage: Annotated[str, Meta(max_length=100)]
    fraction: Annotated[float, Meta(ge=0.0, le=1.0)]


class Alive(Struct, frozen=True, tag_field="event", tag="alive"):
    """It still works, though there is no progress to tell."""


class Found(Struct, frozen=True, tag_field="event", tag="found"):
    """Notes of a part, as they were detected: (onset s, offset s, pitch, velocity). More of the part may follow."""

    part: PartName
    notes: Annotated[tuple[FoundNote, ...], Meta(max_length=MAX_FOUND)]


class Finished(Struct, frozen=True, tag_field="event", tag="result"):
    """The result folder is in place, and ``insert.json`` where the spec has a clip. Nothing follows."""

    folder: str
    insert: str | None = None


class Failed(Struct, frozen=True, tag_field="event", tag="error"):
    """There is no result, for this reason. Nothing follows."""

    code: Annotated[str, Meta(min_length=1, max_length=100)]
    text: str


News = Advanced | Alive | Found | Finished | Failed


def to_line(news: News) -> bytes:
    """The line that says it, in ASCII: paths that are not Unicode pass as escaped surrogates."""
    return json.dumps(msgspec.to_builtins(news)).encode("ascii") + b"\n"


def from_line(line: bytes) -> News | None:
    """What a line says; None where it is nothing that a worker says."""
    try:
        news: News = msgspec.convert(json.loads(line), News)
    except (ValueError, RecursionError):  # not JSON, not UTF-8, not one of these
        return None
    return news
