"""Evidence as bytes: a byte a number, compressed, a window at a time.

A byte is fine enough: thresholds on posteriors are round numbers, and half a decibel is below what a note's strength is
known to. What was heard of four minutes takes 5 to 6 MB so, of the 60 MB that it is in memory.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bridge.transcription.attacks import REGIONS_HZ
from bridge.transcription.frames import CONTOUR_BINS, PITCHES, Evidence, Matrix, evidence_of

#: Raised whenever the same audio would give other evidence, or other bytes for it.
VERSION = "heard2"
_FAST = 1  # zlib's level: the next ones take twice the time for a tenth less
_STEPS = 255


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
    head = np.array([len(known), *(column.shape[1] for column in columns)], dtype="<u2").tobytes()
    # Time runs within a row: what a pitch does changes slowly, so that it compresses.
    return head + zlib.compress(b"".join(column.T.tobytes() for column in columns), _FAST)


def unpacked(data: bytes) -> Evidence:
    """What `packed` packed, to within half a step of each column.

    Raises
    ------
    ValueError
        If this is nothing that it made.
    """
    head_bytes = 2 * (1 + len(_COLUMNS))
    if len(data) < head_bytes:
        raise ValueError("packed evidence is cut short")
    frames, *widths = (int(count) for count in np.frombuffer(data[:head_bytes], dtype="<u2"))
    try:
        values = np.frombuffer(zlib.decompress(data[head_bytes:]), dtype=np.uint8)
    except zlib.error as error:
        raise ValueError(f"packed evidence is damaged: {error}") from error
    fits = all(width in column.widths for width, column in zip(widths, _COLUMNS.values(), strict=True))
    if not fits or len(values) != frames * sum(widths):
        raise ValueError("packed evidence has columns that don't fit")
    ends = np.cumsum(widths)[:-1] * frames
    parts = np.split(values, ends)
    rows = (part.reshape(width, frames).T for part, width in zip(parts, widths, strict=True))
    arrays = {name: _as_numbers(part, column) for (name, column), part in zip(_COLUMNS.items(), rows, strict=True)}
    return evidence_of(arrays)


def _as_bytes(values: Matrix, column: _Column) -> NDArray[np.uint8]:
    low, high, _ = column
    steps = np.rint((np.clip(values, low, high) - low) * np.float32(_STEPS / (high - low)))
    return np.asarray(steps, dtype=np.uint8)


def _as_numbers(values: NDArray[np.uint8], column: _Column) -> Matrix:
    low, high, _ = column
    table = np.linspace(low, high, _STEPS + 1, dtype=np.float32)
    return np.ascontiguousarray(table[values])
