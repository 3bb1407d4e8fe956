"""A whole song condensed for two hands: its melody, its harmony and its bass. Pure; times are seconds."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

from bridge.model import Note
from bridge.music.chords import Chord, chord_tones
from bridge.music.timeline import Timeline

#: Where the right hand plays a melody: it is moved by octaves until its middle lies in here.
MELODY_MIDDLE = (62, 76)
#: Chords lie below the melody, with their highest tone in here, or lower where the melody is.
CHORD_TOP = (55, 69)
#: What is lower counts as bass where there is no bass part; and where the left hand plays it.
BASS_BELOW = 55
BASS_RANGE = (36, 57)
#: The melody part stands in for the voice where the voice pauses longer than this, in bars.
PAUSE_BARS = 1.0
#: Semitones that a note of a melody may lie from the median of so many notes before and after it.
FARTHEST, AROUND_NOTES = 11, 6
CHORD_VELOCITY = 64


@dataclass(frozen=True, slots=True)
class Reduction:
    """What two hands play: each in order of onset."""

    melody: tuple[Note, ...]
    harmony: tuple[Note, ...]
    bass: tuple[Note, ...]


def reduced(parts: Mapping[str, Sequence[Note]], chords: Sequence[Chord], timeline: Timeline) -> Reduction:
    """A song for two hands.

    Parameters
    ----------
    parts
        Notes of ``vocals``, ``melody`` and ``bass``, as far as there are any.
    chords
        In order; the harmony is made of them, struck at each change and at each bar line.
    timeline
        Where the bars are.
    """
    accompaniment = list(parts.get("melody", ()))
    vocals = sorted(parts.get("vocals", ()))
    melody = _octaved(_singable(_filled(vocals, top_line(accompaniment), timeline)), MELODY_MIDDLE)
    bass = sorted(parts.get("bass", ())) or [note for note in bottom_line(accompaniment) if note.pitch < BASS_BELOW]
    low = [_moved(note, _folded(note.pitch, *BASS_RANGE)) for note in bass]
    return Reduction(tuple(melody), tuple(_harmony(chords, melody, timeline)), tuple(low))


def top_line(notes: Iterable[Note]) -> list[Note]:
    """The notes above which nothing sounds when they begin, in order, and that aren't bass."""
    return _edge_line((note for note in notes if note.pitch >= BASS_BELOW), 1)


def bottom_line(notes: Iterable[Note]) -> list[Note]:
    """The notes below which nothing sounds when they begin, in order."""
    return _edge_line(notes, -1)


def _edge_line(notes: Iterable[Note], direction: int) -> list[Note]:
    """The notes that lie beyond all others that sound when they begin: above for 1, below for -1."""
    line: list[Note] = []
    sounding: list[Note] = []
    for note in sorted(notes, key=lambda note: (note.onset_s, -direction * note.pitch)):
        sounding = [other for other in sounding if other.offset_s > note.onset_s]
        if all((note.pitch - other.pitch) * direction >= 0 for other in sounding):
            line.append(note)
        sounding.append(note)
    return line


def _filled(voice: Sequence[Note], other: Sequence[Note], timeline: Timeline) -> list[Note]:
    """A voice, and another one where it pauses."""
    if not voice or not other:
        return list(voice or other)
    pauses = []
    reached_s = 0.0
    for note in voice:
        pauses.append((reached_s, note.onset_s))
        reached_s = max(reached_s, note.offset_s)
    pauses.append((reached_s, max(reached_s, timeline.duration_s)))
    filled = list(voice)
    onsets_s = [note.onset_s for note in other]
    for start_s, end_s in pauses:
        bar_ticks = timeline.bar_end(timeline.position(start_s)) - timeline.bar_start(timeline.position(start_s))
        if timeline.position(end_s) - timeline.position(start_s) > PAUSE_BARS * bar_ticks:
            filled += other[bisect_left(onsets_s, start_s) : bisect_left(onsets_s, end_s)]
    return sorted(filled)


def _singable(notes: Sequence[Note]) -> list[Note]:
    """Notes without those too far from the ones around them: they are an accompaniment heard through the voice."""
    pitches = [note.pitch for note in notes]
    return [
        note
        for place, note in enumerate(notes)
        if abs(note.pitch - median(pitches[max(0, place - AROUND_NOTES) : place + AROUND_NOTES + 1])) <= FARTHEST
    ]


def _octaved(notes: Sequence[Note], middle: tuple[int, int]) -> list[Note]:
    """Notes moved by the same octaves so that their middle lies in a range, if it doesn't; none leaves MIDI's range."""
    if not notes:
        return []
    centre = int(median(note.pitch for note in notes))
    shift = _folded(centre, *middle) - centre
    return [_moved(note, _folded(note.pitch + shift, 0, 127)) for note in notes]


def _harmony(chords: Sequence[Chord], melody: Sequence[Note], timeline: Timeline) -> list[Note]:
    """The chords in close position below the melody, struck anew in each bar."""
    onsets_s = [note.onset_s for note in melody]
    struck = []
    for chord in chords:
        classes = {tone * 7 % 12 for tone in chord_tones(chord.symbol)}
        for start_s, end_s in _by_bar(chord, timeline) if classes else ():
            above = melody[max(0, bisect_left(onsets_s, start_s) - 1) : bisect_left(onsets_s, end_s)]
            lowest = min((note.pitch for note in above if note.offset_s > start_s), default=CHORD_TOP[1] + 1)
            top = min(max(lowest - 1, CHORD_TOP[0]), CHORD_TOP[1])
            tones = [pitch for pitch in range(top, top - 12, -1) if pitch % 12 in classes and pitch < lowest]
            struck += [Note(start_s, end_s, pitch, CHORD_VELOCITY) for pitch in tones]
    return struck


def _by_bar(chord: Chord, timeline: Timeline) -> list[tuple[float, float]]:
    """A chord's stretch, divided at the bar lines."""
    start, end = timeline.seconds_to_ticks(chord.start_s), timeline.seconds_to_ticks(chord.end_s)
    edges = [start]
    while edges[-1] < end:
        edges.append(min(end, timeline.bar_end(edges[-1])))
    times_s = [chord.start_s, *(timeline.ticks_to_seconds(tick) for tick in edges[1:-1]), chord.end_s]
    return [(start_s, end_s) for start_s, end_s in pairwise(times_s) if start_s < end_s]


def _moved(note: Note, pitch: int) -> Note:
    return replace(note, pitch=pitch)


def _folded(pitch: int, low: int, high: int) -> int:
    """A pitch moved by octaves into a range of an octave or more."""
    if pitch < low:
        return low + (pitch - low) % 12
    return pitch if pitch <= high else high - (high - pitch) % 12
