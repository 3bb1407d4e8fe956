"""Previews: each part's MIDI as audio, as loud as its stem, so that both can be compared by ear.

``preview/<part>.wav`` has the length and rate of the stems; ``preview/song.wav`` is their sum. Components of the drums
are heard in the drums.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import soundfile

from bridge.audio.file import BLOCK_SAMPLES, AudioFile, native
from bridge.audio.loudness_meter import LoudnessMeter
from bridge.audio.sampler import Instrument
from bridge.audio.soundfont import SoundFont
from bridge.audio.source import shown_name
from bridge.audio.stems import LARGEST_WAV_BYTES
from bridge.deliver.kinds import Outlet
from bridge.deliver.song import Song, SongPart
from bridge.errors import AudioUnreadable, InvalidRequest, OutputUnwritable
from bridge.model import DeliverOptions, Samples
from bridge.progress import Progress
from bridge.write.midi import VOICES, Placed, without_overlaps

#: No preview has a sample above -1 dBFS: what players and converters that interpolate need for headroom.
PEAK = 10 ** (-1 / 20)
#: As loud as parts are made that have no stem, or a silent one: what broadcasters level to (EBU R 128), in LUFS.
LOUDNESS_WITHOUT_STEM = -23.0
#: No part is made louder than by this: a stem with next to nothing in it is no measure. In dB.
_MOST_GAIN_DB = 30.0
#: The stem is measured, the part played twice (to measure it, and to write it) and the song summed: shares of the work.
_MEASURED, _PLAYED, _WRITTEN = 0.2, 0.5, 0.85


def write(song: Song, out: Outlet, options: DeliverOptions, progress: Progress) -> None:
    """Write the preview of each part, and of the song.

    Raises
    ------
    InvalidRequest
        If the soundfont can't be used.
    AudioUnreadable
        If a stem is gone or no audio.
    OutputUnwritable
        If there is no room.
    """
    font = SoundFont(options.soundfont or bundled_soundfont())
    parts = [part for part in song.parts if part.parent is None]
    shape = _Shape.of(song)
    targets = [out.path(f"preview/{part.name}.wav") for part in parts]
    for index, (part, target) in enumerate(zip(parts, targets, strict=True)):
        begin, end = _WRITTEN * index / len(parts), _WRITTEN * (index + 1) / len(parts)
        _write_part(part, song, font, shape, target, progress.part(begin, end))
    _write_song(targets, shape, out.path("preview/song.wav"), progress.part(_WRITTEN, 1.0))


def bundled_soundfont() -> Path:
    """The soundfont that comes with pretty_midi, on every system: TimGM6mb by Tim Brechbill, GPL-2.0."""
    import pretty_midi

    return Path(pretty_midi.__file__).with_name("TimGM6mb.sf2")


@dataclass(frozen=True, slots=True)
class _Shape:
    """What the stems are like, and so the previews."""

    sample_rate: int
    channels: int
    length: int

    @classmethod
    def of(cls, song: Song) -> _Shape:
        stem = next((part.stem for part in song.parts if part.stem is not None), None)
        if stem is None:
            return cls(song.sample_rate, 2, round(song.duration_s * song.sample_rate))
        audio = _opened(stem)
        return cls(audio.sample_rate, min(audio.channels, 2), audio.length)


def _opened(stem: Path) -> AudioFile:
    try:
        return AudioFile.open(stem)
    except soundfile.SoundFileError as error:
        raise AudioUnreadable(f"the stem {shown_name(stem)} cannot be read; convert the recording again") from error


def _write_part(part: SongPart, song: Song, font: SoundFont, shape: _Shape, target: Path, progress: Progress) -> None:
    stem, stem_lufs = LoudnessMeter(shape.sample_rate), None
    if part.stem is not None:
        audio = _opened(part.stem)
        _measure(audio.blocks(), audio.length, stem, progress.part(0.0, _MEASURED))
        stem_lufs = stem.lufs()
    strikes = list(_strikes(part, song, font, shape.sample_rate))
    meter = LoudnessMeter(shape.sample_rate)
    with tempfile.TemporaryFile(dir=target.parent) as file:
        spool = _Spool(shape, file)
        _measure(spool.through(_played(strikes, shape)), shape.length, meter, progress.part(_MEASURED, _PLAYED))
        if part.notes and not meter.peak:
            raise InvalidRequest(
                f"the soundfont has no sounds for {part.name}; give --soundfont a General MIDI soundfont, or bundled"
            )
        gain = _gain(meter, LOUDNESS_WITHOUT_STEM if stem_lufs is None else stem_lufs)
        _write((block * gain for block in spool.blocks()), shape, target, progress.part(_PLAYED, 1.0))


class _Spool:
    """Blocks of samples in a file without a name, to be read once more: a song of any length takes no memory."""

    def __init__(self, shape: _Shape, file: IO[bytes]) -> None:
        self._channels = shape.channels
        self._file = file

    def through(self, blocks: Iterable[Samples]) -> Iterator[Samples]:
        """The blocks, each kept on its way."""
        for block in blocks:
            self._file.write(np.ascontiguousarray(block, np.float32).data)
            yield block

    def blocks(self) -> Iterator[Samples]:
        """What was kept."""
        self._file.seek(0)
        while data := self._file.read(BLOCK_SAMPLES * self._channels * 4):
            yield np.frombuffer(data, np.float32).reshape(-1, self._channels)


def _gain(meter: LoudnessMeter, lufs: float) -> np.float32:
    """The factor that brings what was measured to a loudness, as far as its peak allows."""
    own = meter.lufs()
    if own is None:
        return np.float32(1.0)
    wanted = 10 ** (min(lufs - own, _MOST_GAIN_DB) / 20)
    return np.float32(min(wanted, PEAK / meter.peak))


def _measure(blocks: Iterable[Samples], length: int, meter: LoudnessMeter, progress: Progress) -> None:
    done = 0
    for block in blocks:
        meter.add(block)
        done += len(block)
        progress.at(done / max(1, length))


class _Strike(NamedTuple):
    """A note to play: from which sample on, for how many seconds, and how."""

    start: int
    held_s: float
    key: int
    velocity: int
    bend: tuple[tuple[float, float], ...]
    instrument: Instrument


def _strikes(part: SongPart, song: Song, font: SoundFont, sample_rate: int) -> Iterator[_Strike]:
    """The notes of a part's MIDI file, in order of time."""
    instrument = Instrument(font, part.program, sample_rate)
    if not instrument.is_playable:
        return
    voice = VOICES.get(part.name)
    is_bent = song.midi.pitch_bend and voice is not None and voice.is_one_voice
    to_seconds = song.timeline.ticks_to_seconds
    placed = without_overlaps(part.notes, song.timeline)
    choked_at = _choked_at(placed, instrument)
    for (start, end, note), choked in zip(placed, choked_at, strict=True):
        start_s = to_seconds(start)
        held_s = to_seconds(min(end, choked)) - start_s
        bend = note.bend if is_bent else ()
        yield _Strike(round(start_s * sample_rate), held_s, note.pitch, note.velocity, bend, instrument)


def _choked_at(placed: Sequence[Placed], instrument: Instrument) -> list[int]:
    """For each note the tick at which another one of its group begins; those after the end for the most."""
    following: dict[int, int] = {}
    ticks = []
    for start, end, note in reversed(placed):
        group = instrument.chokes(note.pitch)
        ticks.append(following.get(group, end) if group else end)
        if group:
            following[group] = start
    return ticks[::-1]


def _played(strikes: Sequence[_Strike], shape: _Shape) -> Iterator[Samples]:
    """What is heard of notes, block by block; it takes the memory of a block and of the longest note."""
    ahead = np.zeros((2 * BLOCK_SAMPLES, 2), np.float32)
    index = 0
    for begin in range(0, shape.length, BLOCK_SAMPLES):
        length = min(BLOCK_SAMPLES, shape.length - begin)
        while index < len(strikes) and strikes[index].start < begin + length:
            start, held_s, key, velocity, bend, instrument = strikes[index]
            note = instrument.play(key, velocity, held_s, bend)
            until = start - begin + len(note)
            if until > len(ahead):
                ahead = np.concatenate([ahead, np.zeros((until, 2), np.float32)])
            ahead[start - begin : until] += note
            index += 1
        block = ahead[:length].copy()
        ahead[:-length] = ahead[length:]
        ahead[-length:] = 0.0
        yield block if shape.channels == 2 else block.mean(axis=1, keepdims=True)


def _write_song(sources: Sequence[Path], shape: _Shape, target: Path, progress: Progress) -> None:
    """The sum of files, softer where it would exceed the peak."""
    peak = 0.0
    with tempfile.TemporaryFile(dir=target.parent) as file:
        spool = _Spool(shape, file)
        for number, block in enumerate(spool.through(_summed(sources, shape))):
            peak = max(peak, float(block.max()), float(-block.min()))
            progress.at(0.5 * number * BLOCK_SAMPLES / shape.length)
        gain = np.float32(min(1.0, PEAK / peak) if peak else 1.0)
        _write((block * gain for block in spool.blocks()), shape, target, progress.part(0.5, 1.0))


def _summed(sources: Sequence[Path], shape: _Shape) -> Iterator[Samples]:
    with ExitStack() as stack:
        files = [stack.enter_context(soundfile.SoundFile(native(source))) for source in sources]
        for begin in range(0, shape.length, BLOCK_SAMPLES):
            length = min(BLOCK_SAMPLES, shape.length - begin)
            block = np.zeros((length, shape.channels), np.float32)
            for file in files:
                block += file.read(length, dtype="float32", always_2d=True)
            yield block


def _write(blocks: Iterable[Samples], shape: _Shape, target: Path, progress: Progress) -> None:
    """A 24-bit file."""
    is_large = shape.length * shape.channels * 3 > LARGEST_WAV_BYTES
    try:
        with soundfile.SoundFile(
            native(target),
            "w",
            samplerate=shape.sample_rate,
            channels=shape.channels,
            format="RF64" if is_large else "WAV",
            subtype="PCM_24",
        ) as file:
            for block in blocks:
                file.write(block)
                progress.at(file.tell() / max(1, shape.length))
        written = soundfile.info(native(target)).frames
    except (soundfile.SoundFileError, AssertionError) as error:  # soundfile asserts that all was written
        raise _unwritable(target) from error
    if written != shape.length:
        raise _unwritable(target)


def _unwritable(target: Path) -> OutputUnwritable:
    return OutputUnwritable(f"could not write {shown_name(target)}: the disk may be full; free some space")
