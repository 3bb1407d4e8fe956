"""Excerpts of General MIDI songs as notes per part: what is rendered, and at the same time the truth.

Times are seconds from the start of the excerpt. Nothing here makes a sound.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import mido
import numpy as np

Rng = np.random.Generator

DRUM_CHANNEL = 9
#: Families of General MIDI programs: 32 to 39 are basses; from 112 on come percussion and noises, which have no pitch.
_BASSES, _UNPITCHED = range(32, 40), range(112, 128)
#: What else than notes is rendered: volume, expression, pan. Pedals and pitch wheels are not: a note is its MIDI pitch.
_CONTROLS = (7, 10, 11)
_FEWEST_NOTES = 12  # of a part, for it to count
_HIGHEST_SUNG, _LOWEST_SUNG = 74, 50  # D5, D3
_LEAST_ALONE = 0.97  # share of a lead's notes that end before the next begins, or hardly after
_LEAD_OVERLAP_S = 0.06
_SHORTEST_S = 0.03
_MOST_AT_THE_PIANO = 400  # notes of an excerpt: some 14 a second, as busy as romantic pieces are
#: General MIDI keys of the drum classes of the bench's truth.
DRUM_CLASS = {
    **dict.fromkeys((35, 36), "kick"),
    **dict.fromkeys((37, 38, 39, 40), "snare"),
    **dict.fromkeys((42, 44), "closed_hat"),
    46: "open_hat",
    **dict.fromkeys((41, 43, 45, 47, 48, 50), "tom"),
    **dict.fromkeys((49, 52, 55, 57), "crash"),
    **dict.fromkeys((51, 53, 59), "ride"),
}


@dataclass(frozen=True, slots=True, order=True)
class Played:
    """One note of an excerpt."""

    onset_s: float
    offset_s: float
    pitch: int
    velocity: int


@dataclass(frozen=True, slots=True)
class Voice:
    """What one channel plays: its program, the controls that hold for it, and its notes."""

    channel: int
    program: int
    controls: Mapping[int, int]
    notes: tuple[Played, ...]

    @property
    def is_bass(self) -> bool:
        """Whether it is a bass's."""
        return self.channel != DRUM_CHANNEL and self.program in _BASSES

    @property
    def is_lead(self) -> bool:
        """Whether a singer could have it: one note at a time, neither very slow nor very fast."""
        if self.channel == DRUM_CHANNEL or self.is_bass or len(self.notes) < _FEWEST_NOTES:
            return False
        alone = [first.offset_s <= second.onset_s + _LEAD_OVERLAP_S for first, second in pairwise(self.notes)]
        length_s = float(np.median([note.offset_s - note.onset_s for note in self.notes]))
        return float(np.mean(alone)) >= _LEAST_ALONE and 0.12 <= length_s <= 1.5


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Some seconds of a song."""

    name: str
    tempo_bpm: float
    voices: tuple[Voice, ...]

    def part(self, name: str) -> tuple[Voice, ...]:
        """The voices of ``bass``, ``drums`` or ``melody`` (everything else)."""
        wanted = {
            "drums": lambda voice: voice.channel == DRUM_CHANNEL,
            "bass": lambda voice: voice.is_bass,
            "melody": lambda voice: voice.channel != DRUM_CHANNEL and not voice.is_bass,
        }[name]
        return tuple(voice for voice in self.voices if wanted(voice))


def excerpt_of(song: Path, length_s: float, rng: Rng) -> Excerpt | None:
    """A random stretch of a song, faster or slower and in another key; None where it lacks a bass, drums or a melody.

    Speed changes by up to 15 % and pitch by up to three semitones, so that neither tempo nor tuning of the songs is
    what is tuned for.
    """
    midi = mido.MidiFile(song)
    tempo_bpm = next((mido.tempo2bpm(message.tempo) for message in midi if message.type == "set_tempo"), 120.0)
    speed, shift = float(rng.uniform(0.87, 1.15)), int(rng.integers(-3, 4))
    needed_s = length_s * speed
    if midi.length < needed_s + 4.0:
        return None
    begin_s = float(rng.uniform(2.0, midi.length - needed_s - 1.0))
    # The excerpt begins on a beat, as songs do.
    beat_s = 60.0 / tempo_bpm
    begin_s = round(begin_s / beat_s) * beat_s
    voices = tuple(
        replace(voice, notes=_cut(voice.notes, begin_s, needed_s, speed, 0 if voice.channel == DRUM_CHANNEL else shift))
        for voice in _voices(midi)
    )
    excerpt = Excerpt(song.stem, tempo_bpm * speed, tuple(voice for voice in voices if voice.notes))
    sizes = {part: sum(len(voice.notes) for voice in excerpt.part(part)) for part in ("bass", "drums", "melody")}
    return excerpt if min(sizes.values()) >= 2 * _FEWEST_NOTES else None


def sung(voice: Voice) -> Voice:
    """The voice moved by octaves into a singer's range."""
    middle = float(np.median([note.pitch for note in voice.notes]))
    octaves = round(((_HIGHEST_SUNG + _LOWEST_SUNG) / 2 - middle) / 12)
    notes = tuple(
        replace(note, pitch=note.pitch + 12 * octaves)
        for note in voice.notes
        if _LOWEST_SUNG - 5 <= note.pitch + 12 * octaves <= _HIGHEST_SUNG + 5
    )
    return replace(voice, notes=notes)


def unhurried(excerpt: Excerpt) -> list[Voice]:
    """The pitched voices without the busiest, which are strummed chords."""
    voices = sorted((*excerpt.part("bass"), *excerpt.part("melody")), key=lambda voice: len(voice.notes))
    kept: list[Voice] = []
    for voice in voices:
        if sum(len(other.notes) for other in kept) + len(voice.notes) <= _MOST_AT_THE_PIANO:
            kept.append(voice)
    return kept


def at_the_piano(excerpt: Excerpt, rng: Rng) -> tuple[Played, ...]:
    """The pitched voices as one pianist might play them: at most two hands, unisons once, uneven, with phrasing."""
    pitched = [note for voice in unhurried(excerpt) for note in voice.notes]
    notes = sorted(set(_without_unisons(pitched)))
    kept: list[Played] = []
    for note in notes:
        together = [other for other in kept if other.offset_s > note.onset_s + _SHORTEST_S]
        if len(together) < 8 and 28 <= note.pitch <= 96:
            kept.append(note)
    phrase_s, depth = float(rng.uniform(4.0, 9.0)), float(rng.uniform(8.0, 22.0))
    base, spread = float(rng.uniform(50.0, 85.0)), float(rng.uniform(4.0, 12.0))
    touch = float(rng.uniform(0.7, 1.05))  # from detached to legato
    played = []
    for note in kept:
        onset_s = max(0.0, note.onset_s + float(rng.normal(0.0, 0.009)))
        length_s = max(0.06, (note.offset_s - note.onset_s) * touch + float(rng.normal(0.0, 0.02)))
        swell = depth * np.sin(2 * np.pi * note.onset_s / phrase_s) + (8.0 if note.pitch > 67 else 0.0)
        velocity = int(np.clip(round(base + swell + rng.normal(0.0, spread)), 18, 120))
        played.append(Played(onset_s, onset_s + length_s, note.pitch, velocity))
    return tuple(cut_at_repeats(played))


def with_stops(line: Sequence[Played], rng: Rng) -> list[Played]:
    """A bass line with fifths, power chords or thirds and sixths on it: on all of its notes, or on one in four."""
    above = ((7,), (7, 12), (3, 4, 5, 9, 10))[int(rng.integers(3))]
    share = float(rng.choice((1.0, 1.0, 0.25)))
    notes = list(line)
    for note in line:
        if rng.random() < share:
            steps = above if 7 in above else (int(rng.choice(above)),)
            softer = int(rng.integers(15))
            notes += [replace(note, pitch=note.pitch + step, velocity=max(1, note.velocity - softer)) for step in steps]
    return sorted(notes)


def truth_of(voices: Iterable[Voice]) -> list[Played]:
    """The notes of voices together; of those that begin at once at one pitch the longest, as nobody can tell them."""
    return sorted(_without_unisons(note for voice in voices for note in voice.notes))


def _without_unisons(notes: Iterable[Played]) -> list[Played]:
    kept: dict[int, list[Played]] = {}
    for note in sorted(notes):
        same = kept.setdefault(note.pitch, [])
        if same and note.onset_s - same[-1].onset_s < _SHORTEST_S:
            same[-1] = max(same[-1], note, key=lambda other: other.offset_s)
        else:
            same.append(note)
    return [note for same in kept.values() for note in same]


def cut_at_repeats(notes: Iterable[Played]) -> list[Played]:
    """Each note ends at the latest just before its pitch begins again."""
    last: dict[int, int] = {}
    cut: list[Played] = []
    for note in sorted(_without_unisons(notes)):
        place = last.get(note.pitch)
        if place is not None and cut[place].offset_s > note.onset_s - 0.01:
            cut[place] = replace(cut[place], offset_s=max(cut[place].onset_s + 0.02, note.onset_s - 0.01))
        last[note.pitch] = len(cut)
        cut.append(note)
    return cut


def _cut(notes: Iterable[Played], begin_s: float, length_s: float, speed: float, shift: int) -> tuple[Played, ...]:
    inside = [note for note in notes if begin_s - 1e-6 <= note.onset_s < begin_s + length_s - 0.2]
    return tuple(
        Played(
            max(0.0, (note.onset_s - begin_s) / speed),
            min((note.offset_s - begin_s) / speed, length_s / speed),
            note.pitch + shift,
            note.velocity,
        )
        for note in inside
        if 0 <= note.pitch + shift <= 127
    )


def _voices(midi: mido.MidiFile) -> list[Voice]:
    """What each channel plays, with its first program and its controls as they stand at its first note."""
    now = 0.0
    program: dict[int, int] = {}
    controls: dict[int, dict[int, int]] = {}
    notes: dict[int, list[Played]] = {}
    begun: dict[tuple[int, int], tuple[float, int]] = {}
    for message in midi:
        now += message.time
        if message.type == "program_change" and message.channel not in notes:
            program[message.channel] = message.program
        elif message.type == "control_change" and message.control in _CONTROLS and message.channel not in notes:
            controls.setdefault(message.channel, {})[message.control] = message.value
        elif message.type in ("note_on", "note_off"):
            key = (message.channel, message.note)
            if key in begun:
                onset_s, velocity = begun.pop(key)
                if now - onset_s >= _SHORTEST_S or message.channel == DRUM_CHANNEL:
                    notes[message.channel].append(Played(onset_s, now, message.note, velocity))
            if message.type == "note_on" and message.velocity:
                notes.setdefault(message.channel, [])
                begun[key] = (now, message.velocity)
    return [
        Voice(channel, program.get(channel, 0), controls.get(channel, {}), tuple(sorted(found)))
        for channel, found in sorted(notes.items())
        if channel == DRUM_CHANNEL or program.get(channel, 0) not in _UNPITCHED
    ]
