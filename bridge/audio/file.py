"""`AudioFile`: audio on disk, read in blocks, so that a two-hour song needs no more memory than a short one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from bridge.model import Samples

#: 1.5 s at 44.1 kHz: small enough to cancel within a second, large enough that a block costs no more than its samples.
BLOCK_SAMPLES = 1 << 16


def native(path: Path) -> str | bytes:
    """A path as soundfile takes it: it encodes text strictly, but on POSIX a name may hold any bytes."""
    return os.fsencode(path) if os.name == "posix" else str(path)


@dataclass(frozen=True, slots=True)
class AudioFile:
    """A finished WAV, RF64 or FLAC file of a known shape.

    Attributes
    ----------
    path
        The file; something that libsndfile can seek in.
    sample_rate
        Samples a second and channel (Hz).
    channels
        1 or 2.
    length
        Samples a channel.
    """

    path: Path
    sample_rate: int
    channels: int
    length: int

    @classmethod
    def open(cls, path: Path) -> AudioFile:
        """Describe an audio file that libsndfile reads."""
        info = soundfile.info(native(path))
        return cls(path, info.samplerate, info.channels, info.frames)

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.length / self.sample_rate

    def read(self, start: int = 0, stop: int | None = None) -> Samples:
        """Samples `start` to `stop` as float32 (samples, channels); zeros where that reaches outside the file."""
        stop = self.length if stop is None else stop
        inside_start, inside_stop = max(0, start), min(self.length, stop)
        block = np.zeros((max(0, stop - start), self.channels), dtype=np.float32)
        if inside_start < inside_stop:
            with soundfile.SoundFile(native(self.path)) as file:
                file.seek(inside_start)
                read = file.read(inside_stop - inside_start, dtype="float32", always_2d=True)
            block[inside_start - start : inside_start - start + len(read)] = read
        return block

    def blocks(self, block_samples: int = BLOCK_SAMPLES) -> Iterator[Samples]:
        """The whole file in order, in float32 blocks of `block_samples` samples (the last one shorter)."""
        with soundfile.SoundFile(native(self.path)) as file:
            while len(block := file.read(block_samples, dtype="float32", always_2d=True)):
                yield block
