"""What is played: notes in beats, a course of tempo, and the truth that follows from both."""

from __future__ import annotations

from dataclasses import dataclass, field

import mido
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
DRUM_CHANNEL = 9
#: Ticks of the MIDI files that are rendered: a tenth of a millisecond, far below what is judged.
TICKS_PER_SECOND = 10_000


@dataclass(frozen=True, slots=True)
class Played:
    """A note: seconds, MIDI channel, key and velocity."""

    start_s: float
    end_s: float
    channel: int
    key: int
    velocity: int


@dataclass(frozen=True, slots=True)
class Truth:
    """What a tracker should find.

    Attributes
    ----------
    beats_s
        Felt beats: quarters, or dotted quarters in 6/8 and 12/8.
    downbeats_s
        Bar lines; empty where the source doesn't tell them.
    time_signature
        The commonest.
    is_constant
        Whether one tempo holds to the microsecond (loose players may be around it).
    """

    beats_s: Array
    downbeats_s: Array
    time_signature: tuple[int, int]
    is_constant: bool

    @property
    def bpm(self) -> float:
        """Felt beats a minute; the median where the tempo varies."""
        gaps_s = np.diff(self.beats_s)
        return float(60.0 / (gaps_s.mean() if self.is_constant else np.median(gaps_s)))

    @property
    def is_compound(self) -> bool:
        """Whether a felt beat has three eighths."""
        numerator, denominator = self.time_signature
        return denominator == 8 and numerator % 3 == 0 and numerator > 3


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece to render: its kind, its notes, programs by channel, and its truth."""

    name: str
    kind: str
    notes: list[Played]
    truth: Truth
    length_s: float
    programs: dict[int, int] = field(default_factory=dict)

    def midi(self) -> mido.MidiFile:
        """The piece as a MIDI file whose ticks are real time."""
        events: list[tuple[int, int, mido.Message]] = []
        for note in self.notes:
            on = mido.Message("note_on", channel=note.channel, note=note.key, velocity=note.velocity)
            off = mido.Message("note_off", channel=note.channel, note=note.key)
            events.append((max(0, round(note.start_s * TICKS_PER_SECOND)), 1, on))
            events.append((max(1, round(note.end_s * TICKS_PER_SECOND)), 0, off))
        song = mido.MidiFile(ticks_per_beat=TICKS_PER_SECOND)
        track = mido.MidiTrack()
        song.tracks.append(track)
        track.append(mido.MetaMessage("set_tempo", tempo=1_000_000))
        for channel, program in self.programs.items():
            track.append(mido.Message("program_change", channel=channel, program=program))
        last = 0
        for tick, _, message in sorted(events, key=lambda event: event[:2]):
            track.append(message.copy(time=tick - last))
            last = tick
        return song


@dataclass(frozen=True, slots=True)
class Course:
    """Where beats are in time: beat k at `times_s[k]`, straight lines between."""

    times_s: Array

    @classmethod
    def steady(cls, bpm: float, beats: float, first_s: float = 0.0) -> Course:
        """One tempo."""
        return cls(first_s + 60.0 / bpm * np.arange(int(np.ceil(beats)) + 2))

    @classmethod
    def wandering(cls, bpm: float, beats: float, rng: np.random.Generator, spread: float) -> Course:
        """A tempo that wanders by about `spread` of itself and slackens at the end of each four bars."""
        count = int(np.ceil(beats)) + 2
        slow = np.convolve(rng.normal(size=count + 15), np.hanning(17)[1:-1], mode="valid")[:count]
        slow *= spread / max(1e-9, float(slow.std()))
        ending = np.where(np.arange(count) % 16 >= 14, 2.0 * spread, 0.0)
        return cls(np.concatenate([[0.0], np.cumsum(60.0 / bpm * np.exp(slow + ending))])[:count])

    def at(self, beat: float) -> float:
        """When a beat (or a place between beats) comes."""
        return float(np.interp(beat, np.arange(len(self.times_s)), self.times_s))
