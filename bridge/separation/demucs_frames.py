"""What the Demucs child says to its parent: frames in one stream of bytes.

A frame is a kind (one byte), the length of its payload (32-bit, little endian) and the payload:

======== ============================================================================================
kind     payload
======== ============================================================================================
PROGRESS how much is done, 0 to 1, as a 64-bit float
BLOCK    float32 samples of all sources, shape (sources, samples, channels), in the sources' own order
FAILED   UTF-8 JSON ``{"code": "weights" | "audio" | "failed", "message": one line}``
DONE     nothing; the last frame of a job that went well
======== ============================================================================================
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO, Literal, NamedTuple

PROGRESS = b"P"
BLOCK = b"B"
FAILED = b"F"
DONE = b"D"

_HEAD = struct.Struct("<cI")
_FRACTION = struct.Struct("<d")

#: Larger than any real payload (10 s of 6 sources in stereo at 192 kHz are 92 MB): a length above it means that the
#: stream is damaged.
MAX_PAYLOAD = 1 << 28

FailureCode = Literal["weights", "audio", "failed"]


class Frame(NamedTuple):
    """One frame: its kind and its payload."""

    kind: bytes
    payload: bytearray


def write_frame(stream: IO[bytes], kind: bytes, payload: bytes | memoryview = b"") -> None:
    """Write one frame and flush it."""
    stream.write(_HEAD.pack(kind, len(payload)))
    stream.write(payload)
    stream.flush()


def read_frames(stream: IO[bytes]) -> Iterator[Frame]:
    """The frames of `stream` up to its end; a frame that is cut off there is dropped.

    Raises
    ------
    ValueError
        What came is not a frame.
    """
    while len(head := stream.read(_HEAD.size)) == _HEAD.size:
        kind, size = _HEAD.unpack(head)
        if kind not in (PROGRESS, BLOCK, FAILED, DONE) or size > MAX_PAYLOAD:
            raise ValueError(f"not a frame: {head!r}")
        payload = bytearray(size)  # not bytes: the samples are later used in place, and may be written to
        if size and _fill(stream, memoryview(payload)) < size:
            return
        yield Frame(kind, payload)


def pack_fraction(fraction: float) -> bytes:
    """The payload of a PROGRESS frame."""
    return _FRACTION.pack(fraction)


def unpack_fraction(payload: bytearray) -> float:
    """How much is done, from the payload of a PROGRESS frame."""
    return float(_FRACTION.unpack(payload)[0])


def _fill(stream: IO[bytes], room: memoryview) -> int:
    """Read until `room` is full or the stream ends; returns the bytes read."""
    filled = 0
    while filled < len(room):
        read: int = stream.readinto(room[filled:])  # type: ignore[attr-defined]  # typeshed's IO lacks it
        if not read:
            break
        filled += read
    return filled
