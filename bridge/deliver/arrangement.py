"""A song as tracks, clips and markers in beats: what Live Sets and DAWprojects have in common."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import soundfile

from bridge.audio.file import AudioFile
from bridge.deliver.ruler import Ruler
from bridge.deliver.song import Song, SongPart
from bridge.deliver.xmltext import clean
from bridge.disk import printable
from bridge.errors import AudioUnreadable
from bridge.music.chords import NO_CHORD
from bridge.music.segments import segments
from bridge.music.timeline import TICKS_PER_BEAT
from bridge.write.midi import VOICES, Voice, wheel_moves, without_overlaps

#: A marker this close to a beat is meant to be on it: within 12 ms (`bridge.music.timeline.SNAP_S`) at up to 250 BPM.
_SNAP_BEATS = 0.05
_BEND_COMMENT = "The ends of the pitch wheel are {0} semitones away: set the instrument's bend range to ±{0}."


class BeatNote(NamedTuple):
    """A note in beats of the arrangement; velocity 1 to 127."""

    beat: float
    length: float
    pitch: int
    velocity: int


class Bend(NamedTuple):
    """From `beat` on the pitch wheel stands at `wheel`, -8192 to 8191."""

    beat: float
    wheel: int


class Marker(NamedTuple):
    """A name at a place."""

    beat: float
    name: str


@dataclass(frozen=True, slots=True)
class Sample:
    """A stem as a file of a project.

    Attributes
    ----------
    source
        Where it lies.
    name
        Of its copy: ASCII, unlike every other one's whatever the case of letters.
    start, end
        Beats at which it begins and ends.
    audio
        Its length, rate and channels.
    """

    source: Path
    name: str
    start: float
    end: float
    audio: AudioFile


@dataclass(frozen=True, slots=True)
class PartTracks:
    """A part: a track of notes and, where wanted and made, one of its stem.

    Attributes
    ----------
    name
        As XML can hold it; never empty.
    color
        0xRRGGBB.
    channel
        MIDI channel, 0 to 15.
    notes
        In order of beat and pitch; no two of a pitch at once.
    bends
        In order; empty where none were asked for.
    comment
        On its notes: how far bends reach, for the user to set the instrument to; empty without bends.
    end
        The bar line at which its clip ends.
    sample
        Its stem.
    is_component
        Whether it is heard in another part already.
    """

    name: str
    color: int
    channel: int
    notes: tuple[BeatNote, ...]
    bends: tuple[Bend, ...]
    comment: str
    end: float
    sample: Sample | None
    is_component: bool


@dataclass(frozen=True, slots=True)
class Family:
    """A part alone, or a group of one and its components; `name` is empty for a part alone."""

    name: str
    color: int
    members: tuple[PartTracks, ...]


def families(song: Song, ruler: Ruler, *, audio: bool) -> list[Family]:
    """The song's tracks in order, each part's components with it.

    Parameters
    ----------
    song
        Whose.
    ruler
        Its.
    audio
        Whether stems are wanted.

    Raises
    ------
    AudioUnreadable
        If a stem is gone or no audio.
    """
    parents = {part.parent for part in song.parts if part.parent is not None}
    grouped: dict[str, list[SongPart]] = {}
    for index, part in enumerate(song.parts):
        family = part.parent if part.parent is not None else part.name if part.name in parents else f"\0{index}"
        grouped.setdefault(family, []).append(part)
    names = iter(_file_names([part.name for members in grouped.values() for part in members]))
    end = ruler.timeline.position(song.duration_s)
    made = []
    for family, parts in grouped.items():
        tracks = tuple(_tracks(part, song, ruler, end, next(names), audio=audio) for part in parts)
        name = "" if family.startswith("\0") else clean(family[:1].upper() + family[1:], "Group")
        made.append(Family(name, parts[0].color, tracks))
    return made


def markers(song: Song, ruler: Ruler, bars_apart: int) -> list[Marker]:
    """Names of sections, of every so many bars and of chords, one marker for each place."""
    named: dict[float, list[str]] = {}
    for beat, name in [*_sections(song, ruler), *_segments(ruler, bars_apart), *_chords(song, ruler)]:
        named.setdefault(beat, []).append(name)
    return [Marker(beat, " · ".join(dict.fromkeys(names))) for beat, names in sorted(named.items())]


def _sections(song: Song, ruler: Ruler) -> Iterator[Marker]:
    for section in song.sections:
        yield Marker(_nearest(ruler.at(section.start_s)), f"Section {clean(section.label, '?')}")


def _segments(ruler: Ruler, bars_apart: int) -> Iterator[Marker]:
    """The segments that loops are cut into, under the numbers that they have there."""
    for piece in segments(ruler.timeline, bars_apart):
        if piece.last_bar == 0:
            name = "Pick-up"
        elif piece.last_bar == piece.first_bar:
            name = f"Bar {piece.last_bar}"
        else:
            name = f"Bars {piece.first_bar}–{piece.last_bar}"
        yield Marker(ruler.line(piece.start_tick) if piece.start_tick else 0.0, name)


def _chords(song: Song, ruler: Ruler) -> Iterator[Marker]:
    before = NO_CHORD
    for chord in song.chords:
        if chord.symbol not in (before, NO_CHORD):
            yield Marker(_nearest(ruler.at(chord.start_s)), clean(chord.symbol, "?"))
        before = chord.symbol


def _nearest(beat: float) -> float:
    """A beat where one is near, else the place itself to a tick."""
    nearest = float(round(beat))
    return nearest if abs(beat - nearest) <= _SNAP_BEATS else round(beat * TICKS_PER_BEAT) / TICKS_PER_BEAT


def _tracks(part: SongPart, song: Song, ruler: Ruler, end: float, file_name: str, *, audio: bool) -> PartTracks:
    voice = VOICES.get(part.name, Voice(9 if part.program is None else 0, part.program))
    placed = without_overlaps(part.notes, ruler.timeline)
    notes = tuple(
        BeatNote(ruler.beat(start), ruler.beat(stop) - ruler.beat(start), note.pitch, note.velocity)
        for start, stop, note in placed
    )
    is_bent = song.midi.pitch_bend and voice.is_one_voice
    bend_range, moves = wheel_moves(placed if is_bent else [], ruler.timeline)
    return PartTracks(
        name=clean(part.name, "untitled"),
        color=part.color,
        channel=voice.channel,
        notes=notes,
        bends=tuple(Bend(ruler.beat(tick), wheel) for tick, wheel in moves),
        comment=_BEND_COMMENT.format(bend_range) if moves else "",
        end=ruler.line(ruler.bar_line_from(max([end, *(stop for _, stop, _ in placed)]))),
        sample=_sample(part.stem, ruler, file_name) if audio and part.stem else None,
        is_component=part.parent is not None,
    )


def _sample(stem: Path, ruler: Ruler, name: str) -> Sample | None:
    """A stem as a sample; None for one without a sound to place."""
    try:
        audio = AudioFile.open(stem)
    except soundfile.SoundFileError as error:
        raise AudioUnreadable(f"the stem {printable(stem)} cannot be read; convert the recording again") from error
    return Sample(stem, name, ruler.at(0.0), ruler.at(audio.duration_s), audio) if audio.length else None


def _file_names(names: Sequence[str]) -> Iterator[str]:
    """A name of a WAV file for each part, in ASCII, no two alike."""
    taken: set[str] = set()
    for name in names:
        plain = re.sub(r"[^A-Za-z0-9 _-]+", "_", name).strip(" _")[:100] or "part"
        number, free = 1, plain
        while free.lower() in taken:
            number += 1
            free = f"{plain}-{number}"
        taken.add(free.lower())
        yield f"{free}.wav"
