"""Evidence as bytes: a byte a number, each column compressed by itself, a window at a time.

A byte is fine enough: thresholds on posteriors are round numbers, and half a decibel is below what a note's strength is
known to. What was heard of four minutes takes 5 to 6 MB so, of the 60 MB that it is in memory.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bridge.transcription.attacks import REGIONS_HZ
from bridge.transcription.frames import ARRAYS, CONTOUR_BINS, PITCHES, Evidence, Matrix, evidence_of

#: Raised whenever the same audio would give other evidence, or other bytes for it.
VERSION = "heard3"
_FAST = 1  # zlib's level: the next ones take twice the time for a tenth less
_STEPS = 255
_NOTHING = zlib.compress(b"")


class _Column(NamedTuple):
    """Which values a byte spans, and how many there are in a frame (0 of `widths` where not asked for)."""

    low: float
    high: float
    widths: tuple[int, ...]


_COLUMNS: Mapping[str, _Column] = MappingProxyType(
    {
        "note": _Column(0.0, 1.0, (PITCHES,)),
        "onset": _Column(0.0, 1.0, (PITCHES,)),
        "contour": _Column(0.0, 1.0, (PITCHES * CONTOUR_BINS,)),
        "level_db": _Column(-120.0, 7.5, (PITCHES,)),
        "period": _Column(0.0, 1.0, (0, PITCHES * CONTOUR_BINS)),
        "attack_db": _Column(0.0, 25.5, (len(REGIONS_HZ) - 1,)),
        "power_db": _Column(-120.0, 7.5, (2,)),
    }
)


def packed(known: Evidence) -> bytes:
    """Evidence of at most 65,535 frames; values outside of their column's span become its ends."""
    columns = [_as_bytes(getattr(known, name), column) for name, column in _COLUMNS.items()]
    # Time runs within a row: what a pitch does changes slowly, so that it compresses.
    pieces = [zlib.compress(column.T.tobytes(), _FAST) for column in columns]
    head = np.array([len(known), *(column.shape[1] for column in columns)], dtype="<u2").tobytes()
    return head + np.array([len(piece) for piece in pieces], dtype="<u4").tobytes() + b"".join(pieces)


def unpacked(data: bytes, wanted: Collection[str] = ARRAYS) -> Evidence:
    """What `packed` packed, to within half a step of each column; columns that aren't wanted are empty.

    Raises
    ------
    ValueError
        If this is nothing that it made.
    """
    head_bytes = 2 * (1 + len(_COLUMNS))
    begin = head_bytes + 4 * len(_COLUMNS)
    if len(data) < begin:
        raise ValueError("packed evidence is cut short")
    frames, *widths = np.frombuffer(data[:head_bytes], dtype="<u2").tolist()
    sizes = np.frombuffer(data[head_bytes:begin], dtype="<u4").tolist()
    if len(data) != begin + sum(sizes):
        raise ValueError("packed evidence has another length than it says")
    arrays = {}
    for (name, column), width, size in zip(_COLUMNS.items(), widths, sizes, strict=True):
        width, piece = (width, data[begin : begin + size]) if name in wanted else (0, _NOTHING)
        arrays[name] = _as_numbers(_column(piece, frames, width, column), column)
        begin += size
    return evidence_of(arrays)


def _column(piece: bytes, frames: int, width: int, column: _Column) -> NDArray[np.uint8]:
    """The bytes of a column, (frames, width)."""
    try:
        values = np.frombuffer(zlib.decompress(piece), dtype=np.uint8)
    except zlib.error as error:
        raise ValueError(f"packed evidence is damaged: {error}") from error
    if width not in (0, *column.widths) or len(values) != frames * width:
        raise ValueError("packed evidence has columns that don't fit")
    return np.ascontiguousarray(values.reshape(width, frames).T)


def _as_bytes(values: Matrix, column: _Column) -> NDArray[np.uint8]:
    low, high, _ = column
    steps = np.rint((np.clip(values, low, high) - low) * np.float32(_STEPS / (high - low)))
    return np.asarray(steps, dtype=np.uint8)


def _as_numbers(values: NDArray[np.uint8], column: _Column) -> Matrix:
    return _table(column.low, column.high)[values]


@cache
def _table(low: float, high: float) -> Matrix:
    """The number that each byte stands for."""
    return np.linspace(low, high, _STEPS + 1, dtype=np.float32)
