"""The tables of a soundfont file, as records: RIFF chunks of fixed sizes (SoundFont 2.04, chapters 4 to 7)."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

PRESET = np.dtype([("name", "S20"), ("program", "<u2"), ("bank", "<u2"), ("bag", "<u2"), ("_", "V12")])
INSTRUMENT = np.dtype([("name", "S20"), ("bag", "<u2")])
BAG = np.dtype([("generator", "<u2"), ("modulator", "<u2")])
GENERATOR = np.dtype([("number", "<u2"), ("amount", "<i2")])
SAMPLE = np.dtype(
    [
        ("name", "S20"),
        *((field, "<u4") for field in ("start", "end", "loop_start", "loop_end", "rate")),
        ("root", "u1"),
        ("correction", "i1"),
        ("link", "<u2"),
        ("type", "<u2"),
    ]
)
#: By the name of their chunk.
TABLES = {b"phdr": PRESET, b"pbag": BAG, b"pgen": GENERATOR, b"inst": INSTRUMENT, b"ibag": BAG}
TABLES |= {b"igen": GENERATOR, b"shdr": SAMPLE}


class Chunk(NamedTuple):
    """Where a chunk's content lies in the file."""

    offset: int
    size: int


def chunks(file: IO[bytes]) -> Iterator[tuple[bytes, Chunk]]:
    """The chunks within the lists of a RIFF file, by name."""
    length = os.fstat(file.fileno()).st_size
    if _name_at(file, 0) != b"RIFF" or _name_at(file, 8) != b"sfbk":
        raise ValueError("not a soundfont")
    at = 12
    while at + 8 <= length:
        name, size = _header(file, at)
        if name == b"LIST":
            at += 12  # into the list: its chunks follow its kind
            continue
        yield name, Chunk(at + 8, min(size, length - at - 8))
        at += 8 + size + size % 2


def _header(file: IO[bytes], at: int) -> tuple[bytes, int]:
    file.seek(at)
    name, size = struct.unpack("<4sI", file.read(8))
    return name, size


def _name_at(file: IO[bytes], at: int) -> bytes:
    file.seek(at)
    return file.read(4)


def part(file: IO[bytes], chunk: Chunk, start: int, end: int) -> bytes:
    """Bytes `start` to `end` of a chunk, as far as it has them."""
    start, end = min(start, chunk.size), min(end, chunk.size)
    file.seek(chunk.offset + start)
    return file.read(max(0, end - start))


def table(file: IO[bytes], chunk: Chunk, kind: np.dtype[Any]) -> NDArray[Any]:
    """A chunk of records; the last one only ends the one before it."""
    data = part(file, chunk, 0, chunk.size)
    records = np.frombuffer(data[: len(data) // kind.itemsize * kind.itemsize], kind)
    if len(records) < 2:  # one record and the one that ends it
        raise ValueError("a table is empty")
    return records
