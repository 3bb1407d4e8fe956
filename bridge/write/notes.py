"""The notes of one part as detected, as JSON: ``notes/<part>.json``. docs/reference/notes.md describes the format.

Times are seconds from the start of the converted range, rounded to microseconds; each note has a line of the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from bridge.disk import printable
from bridge.errors import InvalidRequest
from bridge.model import Note, Removed

#: Number of the format that is written; a reader refuses others.
SCHEMA = 1
#: Decimals of a second, semitone or confidence that are kept: a microsecond is a twentieth of a sample at 48 kHz.
DECIMALS = 6
#: Rounding must not make a note empty.
SHORTEST_S = 10.0**-DECIMALS

_Fraction = Annotated[float, Meta(ge=0.0, le=1.0)]


class _Note(Struct, frozen=True, omit_defaults=True):
    """One line of the file."""

    onset_s: Annotated[float, Meta(ge=0.0)]
    offset_s: float
    pitch: Annotated[int, Meta(ge=0, le=127)]
    velocity: Annotated[int, Meta(ge=1, le=127)]
    confidence: _Fraction
    bend: tuple[tuple[float, float], ...] = ()

    @classmethod
    def of(cls, note: Note) -> _Note:
        onset_s = round(note.onset_s, DECIMALS)
        offset_s = max(round(note.offset_s, DECIMALS), round(onset_s + SHORTEST_S, DECIMALS))
        bend = tuple((round(after_s, DECIMALS), round(semitones, DECIMALS)) for after_s, semitones in note.bend)
        return cls(onset_s, offset_s, note.pitch, note.velocity, round(note.confidence, DECIMALS), bend)

    def note(self) -> Note:
        return Note(self.onset_s, self.offset_s, self.pitch, self.velocity, self.confidence, self.bend)


class _Removed(Struct, frozen=True):
    """One line of what was taken out."""

    onset_s: Annotated[float, Meta(ge=0.0)]
    pitch: Annotated[int, Meta(ge=0, le=127)]
    confidence: _Fraction
    reason: str

    @classmethod
    def of(cls, what: Removed) -> _Removed:
        return cls(round(what.onset_s, DECIMALS), what.pitch, round(what.confidence, DECIMALS), what.reason)


class _File(Struct, frozen=True):
    """The whole file."""

    schema: Literal[1]
    part: str
    unit: Literal["s"]
    notes: tuple[_Note, ...]
    removed: tuple[_Removed, ...] = ()


def encode(part: str, notes: Sequence[Note], removed: Sequence[Removed] = ()) -> bytes:
    """The notes of `part` as a file, in order of onset, and what looked like one; equal notes give equal bytes."""
    lines = b",\n".join(msgspec.json.encode(_Note.of(note)) for note in sorted(notes))
    head = msgspec.json.encode({"schema": SCHEMA, "part": part, "unit": "s"})
    others = b",\n".join(msgspec.json.encode(_Removed.of(what)) for what in removed)
    tail = b'],"removed":[\n' + others + b"\n" if removed else b""
    return head[:-1] + b',"notes":[\n' + lines + b"\n" + tail + b"]}\n"


def decode(data: bytes) -> list[Note]:
    """The notes in a file's content.

    Raises
    ------
    ValueError
        If this is no such file, with the reason in one line.
    """
    return [line.note() for line in msgspec.json.decode(data, type=_File).notes]


def removed_in(data: bytes) -> tuple[Removed, ...]:
    """What a file's content names as no notes after all; raises `ValueError` as `decode` does."""
    lines = msgspec.json.decode(data, type=_File).removed
    return tuple(Removed(line.onset_s, line.pitch, line.confidence, line.reason) for line in lines)


def read(path: Path) -> list[Note]:
    """The notes in a file.

    Raises
    ------
    InvalidRequest
        If it can't be read as one.
    """
    try:
        return decode(path.read_bytes())
    except OSError as error:
        raise InvalidRequest(f"cannot read {printable(path)}: {error.strerror}; convert the recording again") from error
    except ValueError as error:
        raise InvalidRequest(f"{printable(path)} holds no notes: {error}; convert the recording again") from error
