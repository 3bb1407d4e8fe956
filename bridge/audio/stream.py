"""What a decoder gives: a stream of blocks, whichever library reads it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from bridge.model import Samples

#: A stated length may exceed what is there by this much (s) before the file is held to be cut off: containers round,
#: coders pad.
LENGTH_TOLERANCE_S = 0.5


class CannotDecode(Exception):
    """A library can't read this file at all; the text says why, in one line without the file's name."""


@dataclass(slots=True)
class SourceStream:
    """A source that is open for reading, from front to back.

    Attributes
    ----------
    sample_rate
        Hz.
    source_channels
        Channels in the file.
    length
        Samples a channel that the file claims to hold, or None where it says nothing to be relied on.
    position
        The sample of the file at which `blocks` begins.
    blocks
        Float32 (samples, 1 or 2): mono, stereo, or more channels already mixed down to stereo. Ends quietly at damage.
    codec
        What the samples are coded with, in the library's words.
    notes
        Warnings for the user about how the file is read.
    is_cut
        Whether the file itself shows that its end is missing.
    is_damaged
        Whether anything was lost; final once `blocks` has ended.
    """

    sample_rate: int
    source_channels: int
    length: int | None
    position: int
    blocks: Iterator[Samples]
    codec: str = ""
    notes: list[str] = field(default_factory=list)
    is_cut: bool = False
    is_damaged: bool = False
