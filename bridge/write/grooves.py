"""Grooves as files: the feel of one song's part for those of others. docs/reference/midi.md describes the format."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from bridge.disk import printable
from bridge.errors import InvalidRequest
from bridge.model import Groove, GrooveStep

#: Number of the format that is written; a reader refuses others.
SCHEMA = 1
#: What no groove needs: 64 bars of 1/128.
_MAX_BYTES = 1 << 20


class _File(Struct, frozen=True):
    """The whole file."""

    schema: Literal[1]
    grid: Annotated[str, Meta(pattern=r"^1/[1-9][0-9]{0,2}$")]
    bars: Annotated[int, Meta(ge=1, le=64)]
    steps: tuple[GrooveStep | None, ...]


def encode(groove: Groove) -> bytes:
    """A groove as a file; decoded, it is the same to the last digit."""
    steps = b",\n".join(msgspec.json.encode(step) for step in groove.steps)
    grid = f"{groove.grid.numerator}/{groove.grid.denominator}"
    head = msgspec.json.encode({"schema": SCHEMA, "grid": grid, "bars": groove.bars})
    return head[:-1] + b',"steps":[\n' + steps + b"\n]}\n"


def decode(data: bytes) -> Groove:
    """The groove in a file's content.

    Raises
    ------
    ValueError
        If it is none, with the reason in one line.
    """
    file = msgspec.json.decode(data, type=_File)
    return Groove(Fraction(file.grid), file.bars, file.steps)


def read(path: Path) -> Groove:
    """The groove in a file.

    Raises
    ------
    InvalidRequest
        If it can't be read as one.
    """
    try:
        with path.open("rb") as file:
            return decode(file.read(_MAX_BYTES))
    except OSError as error:
        raise InvalidRequest(f"cannot read the groove {printable(path)}: {error.strerror}") from error
    except ValueError as error:
        raise InvalidRequest(
            f"{printable(path)} is no groove: {error}; make one with stembridge groove, or name a part"
        ) from error
