"""Any audio file to a float WAV on disk, block by block: the first step of every conversion.

libsndfile reads first, libav is the second chance. The order is turned round for MPEG audio, whose untagged files of
variable bit rate libsndfile cuts short, and for more than two channels, whose order only libav knows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bridge.audio.file import AudioFile
from bridge.audio.sndfile import open_sndfile
from bridge.audio.source import check_source, file_sha256, shown_name
from bridge.audio.stream import LENGTH_TOLERANCE_S, CannotDecode, SourceStream
from bridge.audio.wav import FloatWavWriter
from bridge.errors import AudioUnreadable, InvalidRequest
from bridge.model import Samples
from bridge.progress import Progress

__all__ = ["Decoded", "decode", "file_sha256"]

#: Sample rates that are converted (Hz): telephone quality to what studios record at most.
LOWEST_RATE, HIGHEST_RATE = 8_000, 192_000

#: Samples beyond this many times full scale (+24 dB) are no music but damage, or were never scaled to full scale.
_ABSURD = 16.0
#: With more of the samples absurd than this, the file is not damaged but scaled wrongly.
_MOSTLY_ABSURD = 0.01

#: A recording shorter than this holds hardly more than one note, and no tempo (s).
_VERY_SHORT_S = 0.3
#: Samples at the ends of the 16-bit range; more of them than this share are no peaks but cut-off tops. Float files
#: that go beyond it are loud, not cut off.
_FULL_SCALE, _ABOVE_FULL_SCALE, _CLIPPED_SHARE = 0.9999, 1.001, 0.01
#: A mean beyond this (-26 dB of full scale) is a fault of the recording: music's is below a hundredth of it.
_STRONG_DC = 0.05


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded recording.

    Attributes
    ----------
    audio
        The float WAV, at the source's rate, mono or stereo.
    source_channels
        Channels of the source, before any mixdown.
    source_duration_s
        Length of the whole source (s), whatever the range. With a range it is what the file states, where it states it.
    digest
        Hex SHA-256 of rate, channels and decoded float32 samples: equal for equal audio, whatever file it came from.
    peak
        Largest absolute sample, 1 = full scale.
    warnings
        One line each, for the user.
    """

    audio: AudioFile
    source_channels: int
    source_duration_s: float
    digest: str
    peak: float
    warnings: tuple[str, ...]


def decode(source: Path, target: Path, progress: Progress, range_s: tuple[float, float] | None = None) -> Decoded:
    """Decode `source`, or the stretch `range_s` of it (seconds: start, end), to the float WAV file `target`.

    A range is exact to the sample: from round(start * rate) up to round(end * rate), or to the end of the file where
    `end` is infinite. Damaged files give what can be decoded, with a warning. On any error `target` is removed.

    Raises
    ------
    AudioUnreadable
        `source` is missing, not a regular file, not audio, empty, outside 8 to 192 kHz, or damaged beyond use.
    InvalidRequest
        The range is no range, or begins after the end of the recording.
    OutputUnwritable
        `target` can't be written.
    Cancelled
        The user asked to stop.
    """
    check_source(source)
    _check_range(range_s)
    second_try = target.with_name(target.name + ".second")
    try:
        decoding = _best_decoding(source, target, second_try, progress, range_s)
        return _finished(source, target, decoding, range_s)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    finally:
        second_try.unlink(missing_ok=True)


def _check_range(range_s: tuple[float, float] | None) -> None:
    if range_s is None:
        return
    start, end = range_s
    if not (isfinite(start) and 0 <= start < end):
        raise InvalidRequest(f"the range {start:g}:{end:g} is not one: give START:END in seconds with 0 <= START < END")


def _sample(second: float, rate: int) -> int | None:
    """The sample at a time; None for the end of the file, whenever that is."""
    return round(second * rate) if isfinite(second) else None


@dataclass(slots=True)
class _Decoding:
    """What one library made of the source."""

    stream: SourceStream
    tally: _Tally
    source_length: int

    @property
    def falls_short(self) -> bool:
        """Whether less was decoded than the file states, by more than coders pad."""
        stated = self.stream.length or 0
        return stated - self.source_length > LENGTH_TOLERANCE_S * self.stream.sample_rate


def _best_decoding(
    source: Path, target: Path, second_try: Path, progress: Progress, range_s: tuple[float, float] | None
) -> _Decoding:
    """Decode with the first library that gets through; where none does, keep what got furthest."""
    reasons: list[str] = []
    tried: list[_Decoding] = []
    for library in _libraries(source):
        try:
            with _opened(library, source, progress, range_s) as stream:
                tried.append(_written(source, stream, second_try if tried else target, progress, range_s))
        except CannotDecode as error:
            reasons.append(f"{library}: {error}")
            continue
        if not stream.is_damaged:
            break
    if not tried:
        raise AudioUnreadable(
            f"{shown_name(source)} is not audio that can be read ({'; '.join(reasons)}): export it as WAV or FLAC"
        )
    best = max(tried, key=lambda decoding: decoding.tally.length)
    if best is not tried[0]:
        second_try.replace(target)
    # One library may conceal what the other stumbles over: the file is damaged all the same.
    best.stream.is_damaged = any(decoding.stream.is_damaged for decoding in tried)
    best.stream.is_cut = any(decoding.stream.is_cut for decoding in tried) or best.falls_short
    return best


def _libraries(source: Path) -> tuple[str, ...]:
    with source.open("rb") as file:
        start = file.read(3)
    if start == b"ID3" or (start[:1] == b"\xff" and start[1:2] >= b"\xe0"):
        return ("libav",)  # MPEG audio: libsndfile's decoder would write to stderr where it is damaged
    try:
        with open_sndfile(source) as stream:
            if stream.source_channels > 2 or stream.codec.startswith("MPEG"):
                return ("libav", "soundfile")
    except CannotDecode:
        pass
    return ("soundfile", "libav")


def _opened(
    library: str, source: Path, progress: Progress, range_s: tuple[float, float] | None
) -> AbstractContextManager[SourceStream]:
    if library == "soundfile":
        return open_sndfile(source, range_s[0] if range_s else 0.0)
    from bridge.audio.libav import open_libav  # loads libav: only where it is needed

    return open_libav(source, progress)


def _written(
    source: Path, stream: SourceStream, path: Path, progress: Progress, range_s: tuple[float, float] | None
) -> _Decoding:
    rate = stream.sample_rate
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise AudioUnreadable(
            f"{shown_name(source)} has {rate:,} samples a second, not {LOWEST_RATE:,} to {HIGHEST_RATE:,}: "
            "export it at 44,100 or 48,000"
        )
    start, stop = (0, None) if range_s is None else (round(range_s[0] * rate), _sample(range_s[1], rate))
    channels = min(2, stream.source_channels)
    tally = _Tally(rate, channels)
    position = stream.position
    with FloatWavWriter(path, rate, channels) as writer:
        for block in stream.blocks:
            wanted = block[max(0, start - position) : None if stop is None else max(0, stop - position)]
            position += len(block)
            if len(wanted):
                writer.write(tally.cleaned(wanted))
            if stream.length:
                progress.at(position / (stream.length if stop is None else min(stop, stream.length) or 1))
            else:
                progress.check()
            if stop is not None and position >= stop and stream.length is not None:
                return _Decoding(stream, tally, max(position, stream.length))
    return _Decoding(stream, tally, position)


class _Tally:
    """Cleans the samples that pass through and keeps account of them."""

    def __init__(self, sample_rate: int, channels: int) -> None:
        self.length = 0
        self.peak = 0.0
        self.absurd = 0
        self._at_full_scale = 0
        self._sum: NDArray[np.float64] = np.zeros(channels)
        self._hash = hashlib.sha256(f"float32 {sample_rate} {channels}\n".encode())
        self._shape = (sample_rate, channels)

    def cleaned(self, block: Samples) -> Samples:
        """`block` with what can't be sound set to zero, counted and hashed."""
        with np.errstate(invalid="ignore"):
            peak = float(np.max(np.abs(block)))
            if not peak <= _ABSURD:
                good = np.abs(block) <= _ABSURD  # false for NaN
                self.absurd += int(good.size - np.count_nonzero(good))
                block = np.where(good, block, np.float32(0.0))
                peak = float(np.max(np.abs(block)))
        block = np.add(block, np.float32(0.0), dtype="<f4", order="C")  # -0 becomes 0: equal audio has equal bytes
        self.length += len(block)
        self.peak = max(self.peak, peak)
        if peak >= _FULL_SCALE:
            self._at_full_scale += int(np.count_nonzero(np.abs(block) >= _FULL_SCALE))
        self._sum += block.sum(axis=0, dtype=np.float64)
        self._hash.update(block.data)
        return block

    @property
    def digest(self) -> str:
        """Hex digest of all samples so far."""
        return self._hash.hexdigest()

    def warnings(self) -> Iterator[str]:
        """What the samples themselves give reason to say."""
        if self.absurd:
            yield f"{self.absurd} samples were not numbers, or far beyond full scale: they were set to zero"
        if self.length < _VERY_SHORT_S * self._shape[0]:
            yield f"the recording is very short ({self.length / self._shape[0]:.3g} s)"
        if self.peak == 0.0:
            yield "the recording is silent"
        if self.peak < _ABOVE_FULL_SCALE and self._at_full_scale > _CLIPPED_SHARE * self.length * self._shape[1]:
            yield "the recording is clipped: drums and loudness may come out wrong"
        offset = float(np.max(np.abs(self._sum))) / self.length
        if offset > _STRONG_DC:
            yield f"the recording has a strong DC offset ({offset:.2f} of full scale): notes may be missed"


def _finished(source: Path, target: Path, decoding: _Decoding, range_s: tuple[float, float] | None) -> Decoded:
    stream, tally = decoding.stream, decoding.tally
    name, rate = shown_name(source), stream.sample_rate
    duration_s = decoding.source_length / rate
    if tally.length == 0:
        if range_s is not None and decoding.source_length > 0:
            raise InvalidRequest(
                f"the range {range_s[0]:g}:{range_s[1]:g} holds nothing: {name} is {duration_s:.3f} s long"
            )
        raise AudioUnreadable(
            f"{name} {'is too damaged to read' if stream.is_damaged else 'holds no audio'}: export it again"
        )
    channels = min(2, stream.source_channels)
    if tally.absurd > _MOSTLY_ABSURD * tally.length * channels:
        raise AudioUnreadable(f"{name} holds float samples far beyond full scale, or none at all: export it as 24-bit")
    warnings = [*stream.notes]
    if stream.is_damaged:
        warnings.append(
            f"the file is damaged or cut off: used the first {duration_s:.{1 if duration_s >= 1 else 3}f} s"
            if stream.is_cut
            else "the file is damaged: some of it may be silent or wrong"
        )
    if range_s is not None and isfinite(range_s[1]) and round(range_s[1] * rate) > decoding.source_length:
        warnings.append(f"the range ends after the recording: it was cut at {duration_s:.3f} s")
    warnings += tally.warnings()
    return Decoded(
        AudioFile(target, rate, channels, tally.length),
        stream.source_channels,
        duration_s,
        tally.digest,
        tally.peak,
        tuple(warnings),
    )
