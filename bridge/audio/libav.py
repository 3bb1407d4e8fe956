"""Reading through libav (PyAV): m4a, aac, alac, wma, mp3, video, surround, and whatever libsndfile gives up on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.codec.context import Flags2
from av.container import InputContainer

from bridge.audio.coder_delay import unstated_delay, wma_delay
from bridge.audio.downmix import downmix_note, stereo_matrix
from bridge.audio.file import BLOCK_SAMPLES
from bridge.audio.source import shown_name
from bridge.audio.stream import LENGTH_TOLERANCE_S, CannotDecode, SourceStream
from bridge.model import Samples
from bridge.progress import Progress

#: Containers whose stated length holds. In the others (raw streams, broadcasts) libav guesses it from the bit rate.
_STATES_LENGTH = frozenset(("mov", "matroska", "asf", "flac", "ogg", "wav", "aiff", "caf", "tta", "wv", "ape", "w64"))

#: Files that count their samples or frames, so that not even a frame (s) may be missing.
_COUNTS_SAMPLES = frozenset(("flac", "aiff", "tta", "wv", "mp3"))
_FRAME_S = 0.03

#: Raw streams: the last frame is often cut, and tags may be mistaken for one, so a single bad frame is no damage.
_RAW = frozenset(("mp3", "aac", "ac3", "eac3", "mpegts"))

#: Silence is put in where timestamps jump by more than this (s); less is rounding, up to 1 ms in Matroska and ASF.
_GAP_S = 0.01
#: The longest jump that is believed (s): beyond, a damaged timestamp is likelier than a pause in the recording.
_LONGEST_GAP_S = 30.0

_WMA = ("wmav1", "wmav2")


@contextmanager
def open_libav(path: Path, progress: Progress) -> Iterator[SourceStream]:
    """Open the first audio track of `path` through libav, at its start.

    Raises
    ------
    CannotDecode
        libav finds no audio in this file, or can decode none of it.
    """
    with path.open("rb") as file:
        container = _opened(_Bytes(file))
        with container:
            if not container.streams.audio:
                raise CannotDecode("no audio track")
            track = _Track(container, container.streams.audio[0], progress)
            yield track.opened()


class _Bytes:
    """The file as libav reads it: a seek to a place that is none, as damaged headers ask for, fails without a word."""

    def __init__(self, file: BinaryIO) -> None:
        self.name = shown_name(Path(file.name))  # libav looks at the ending; it knows text only
        self.read, self.tell, self._seek = file.read, file.tell, file.seek

    def seek(self, offset: int, whence: int = 0) -> int:
        """The new position, or -1."""
        try:
            return self._seek(offset, whence)
        except (OSError, ValueError):
            return -1


def _opened(file: _Bytes) -> InputContainer:
    try:
        # A playlist or a description must not make libav read other files or the network: only this file is open to it.
        container: InputContainer = av.open(
            file, "r", options={"protocol_whitelist": "none"}, metadata_errors="replace"
        )
    except (av.FFmpegError, ValueError, OSError) as error:
        raise CannotDecode(_one_line(error)) from error
    return container


class _Track:
    """The decoding of one audio track: frames, made floats, mixed down, put where they belong in time."""

    def __init__(self, container: InputContainer, track: AudioStream, progress: Progress) -> None:
        self._container, self._track, self._progress = container, track, progress
        self._codec = track.codec_context.codec.canonical_name
        self._kind = container.format.name.split(",")[0]
        self._stated_delay = 0
        self._errors = 0
        self._matrices: dict[str, Samples] = {}
        if self._codec in _WMA:
            track.codec_context.flags2 |= Flags2.skip_manual

    def opened(self) -> SourceStream:
        """The track as a stream; decodes the first frame to learn what is really in it."""
        frames = self._frames()
        first = next(frames, None)
        if first is None:
            raise CannotDecode("nothing in it can be decoded")
        delay = self._delay(first)
        channels = first.layout.nb_channels
        stream = SourceStream(first.sample_rate, channels, None, 0, iter(()), self._codec)
        stream.length = self._stated_length(first.sample_rate, delay)
        if len(self._container.streams.audio) > 1:
            stream.notes.append(f"it holds {len(self._container.streams.audio)} audio tracks: the first one was used")
        if channels > 2:
            stream.notes.append(downmix_note(channels))
        pieces = _without_start(self._pieces(chain([first], frames), stream), delay)
        if self._kind == "mov" and stream.length is not None:
            pieces = _without_padding(pieces, stream.length)
        stream.blocks = self._judged(_gathered(pieces), stream)
        return stream

    def _delay(self, first: AudioFrame) -> int:
        if self._codec in _WMA:
            return wma_delay(self._container.metadata.get("encoder", ""), self._track.codec_context.delay)
        return unstated_delay(self._codec, self._stated_delay, first.samples)

    def _stated_length(self, rate: int, delay: int) -> int | None:
        """Samples that the file says it holds, once `delay` is dropped; None where it does not say or can't know."""
        if self._kind not in _STATES_LENGTH and not (self._kind == "mp3" and self._stated_delay):
            return None
        track, container = self._track, self._container
        if track.duration is not None and track.time_base is not None:
            seconds = float(track.duration * track.time_base)
        elif container.duration is not None and len(container.streams) == 1:
            seconds = container.duration / av.time_base
        else:
            return None
        return max(0, round(seconds * rate) - delay)

    def _frames(self) -> Iterator[AudioFrame]:
        """Decoded frames; what can't be decoded is left out and counted."""
        packets = self._container.demux(self._track)
        is_first = True
        while True:
            self._progress.check()
            try:
                packet = next(packets)
            except StopIteration:
                return
            except (av.FFmpegError, OSError):
                self._errors += 1
                return
            if is_first and packet.has_sidedata("skip_samples"):
                self._stated_delay = int.from_bytes(bytes(packet.get_sidedata("skip_samples"))[:4], "little")
            is_first = False
            try:
                yield from packet.decode()
            except av.FFmpegError:
                self._errors += 1

    def _pieces(self, frames: Iterator[AudioFrame], stream: SourceStream) -> Iterator[Samples]:
        """Frames as blocks of 1 or 2 channels, with silence where the timestamps say that something is missing."""
        channels = min(2, stream.source_channels)
        expected: float | None = None  # when the next frame should come (s)
        done = 0
        for frame in frames:
            if frame.sample_rate != stream.sample_rate:  # another recording was glued on: the first one is used
                stream.is_damaged = stream.is_cut = True
                return
            time = float(frame.pts * frame.time_base) if frame.pts is not None and frame.time_base else expected
            if time is not None and expected is not None:
                for silence in self._gap(time - expected, done, stream, channels):
                    done += len(silence)
                    yield silence
            expected = None if time is None else time + frame.samples / frame.sample_rate
            done += frame.samples
            yield _as_channels(self._mixed(frame), channels)

    def _gap(self, seconds: float, done: int, stream: SourceStream, channels: int) -> Iterator[Samples]:
        left = round(seconds * stream.sample_rate)
        fits = stream.length is None or done + left <= stream.length
        if not (_GAP_S < seconds <= _LONGEST_GAP_S and fits):
            return
        while left > 0:
            self._progress.check()
            yield np.zeros((min(left, BLOCK_SAMPLES), channels), dtype=np.float32)
            left -= BLOCK_SAMPLES

    def _mixed(self, frame: AudioFrame) -> Samples:
        samples = _floats(frame)
        if samples.shape[1] <= 2:
            return samples
        layout = frame.layout
        matrix = self._matrices.get(layout.name)
        if matrix is None:
            matrix = self._matrices[layout.name] = stereo_matrix(tuple(channel.name for channel in layout.channels))
        return samples @ matrix

    def _judged(self, blocks: Iterator[Samples], stream: SourceStream) -> Iterator[Samples]:
        done = 0
        for block in blocks:
            done += len(block)
            yield block
        missing = 0 if stream.length is None else stream.length - done
        tolerance_s = _FRAME_S if self._kind in _COUNTS_SAMPLES else LENGTH_TOLERANCE_S
        stream.is_cut = stream.is_cut or missing > tolerance_s * stream.sample_rate
        stream.is_damaged = stream.is_cut or self._errors > (1 if self._kind in _RAW else 0)


def _floats(frame: AudioFrame) -> Samples:
    """A frame as float32 (samples, channels), integers scaled to [-1, 1)."""
    array: Any = frame.to_ndarray()
    array = array.T if frame.format.is_planar else array.reshape(-1, frame.layout.nb_channels)
    with np.errstate(over="ignore"):  # a double beyond float32 becomes infinite, and is dealt with as such
        samples: Samples = array.astype(np.float32)
    if array.dtype == np.uint8:
        samples = (samples - np.float32(128.0)) / np.float32(128.0)
    elif array.dtype.kind == "i":
        samples = samples * np.float32(2.0 ** (1 - 8 * array.dtype.itemsize))
    return samples


def _as_channels(samples: Samples, channels: int) -> Samples:
    """Mono or stereo samples as `channels`, for tracks that change between the two."""
    if samples.shape[1] == channels:
        return samples
    return np.repeat(samples, 2, axis=1) if channels == 2 else samples.mean(axis=1, keepdims=True, dtype=np.float32)


def _without_start(pieces: Iterator[Samples], count: int) -> Iterator[Samples]:
    for piece in pieces:
        if count < len(piece):
            yield piece[count:]
        count = max(0, count - len(piece))


def _without_padding(pieces: Iterator[Samples], length: int) -> Iterator[Samples]:
    """Drop what lies beyond `length`, if it is no more than the filling of a coder's last frames (4,096 samples)."""
    left, beyond = length, list[Samples]()
    for piece in pieces:
        if left > 0:
            yield piece[:left]
        if left < len(piece):
            beyond.append(piece[max(0, left) :])
        left -= len(piece)
        if left < -4096:
            yield from beyond
            beyond.clear()
            left = 1 << 62  # the stated length is wrong: everything counts


def _gathered(pieces: Iterator[Samples]) -> Iterator[Samples]:
    """The same samples in blocks of at least `BLOCK_SAMPLES`, but for the last."""
    waiting, count = list[Samples](), 0
    for piece in pieces:
        waiting.append(piece)
        count += len(piece)
        if count >= BLOCK_SAMPLES:
            yield np.concatenate(waiting)
            waiting, count = [], 0
    if count:
        yield np.concatenate(waiting)


def _one_line(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    line = " ".join(str(text).split())
    return line[:1].lower() + line[1:]
