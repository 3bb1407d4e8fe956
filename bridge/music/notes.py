"""Cleaning lists of notes: what MIDI cannot hold, and what no player played. Pure; times are seconds."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from bridge.model import Note

#: Onsets of one pitch that are closer are one onset heard twice: a drum roll's strokes are further apart, a network's
#: frames are not (12 ms).
DUPLICATE_S = 0.03


def share_of(value: float, name: str) -> float:
    """A value that is to be from 0 to 1; raises `ValueError`, which names it, where it isn't."""
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{name} is 0 to 1, got {value}")
    return value


def without_overlaps(notes: Iterable[Note], duplicate_s: float = DUPLICATE_S) -> list[Note]:
    """Notes in order, none sounding while another of its pitch sounds.

    Of two of one pitch that begin within `duplicate_s` of each other one is kept, with the earlier onset, the later
    offset and what else the surer one has; of others that overlap the earlier ends where the later begins.
    """
    kept: list[Note] = []
    last_of: dict[int, int] = {}  # pitch -> place in `kept` of its last note
    for note in sorted(notes):
        place = last_of.get(note.pitch)
        if place is not None and note.onset_s - kept[place].onset_s < duplicate_s:
            kept[place] = _merged(kept[place], note)
            continue
        if place is not None and kept[place].offset_s > note.onset_s:
            kept[place] = ending_at(kept[place], note.onset_s)
        last_of[note.pitch] = len(kept)
        kept.append(note)
    return sorted(kept)


def one_at_a_time(notes: Iterable[Note], min_s: float = 0.0) -> list[Note]:
    """Notes in order, none sounding while another sounds.

    A note ends where the next begins. One that would then be shorter than `min_s` gives way: the surer of the two
    stays.
    """
    kept: list[Note] = []
    for note in sorted(notes):
        while kept and kept[-1].offset_s > note.onset_s and note.onset_s - kept[-1].onset_s < max(min_s, 1e-9):
            if kept[-1].confidence >= note.confidence:
                break
            kept.pop()
        else:
            if kept and kept[-1].offset_s > note.onset_s:
                kept[-1] = ending_at(kept[-1], note.onset_s)
            kept.append(note)
    return kept


def ending_at(note: Note, offset_s: float) -> Note:
    """The note with its end at `offset_s`, and of its contour what lies before.

    Raises
    ------
    ValueError
        The note would end before it begins.
    """
    length_s = offset_s - note.onset_s
    return replace(note, offset_s=offset_s, bend=tuple(point for point in note.bend if point[0] < length_s))


def moved(note: Note, shift_s: float, velocity: int) -> Note:
    """The note later by `shift_s`, or earlier, but not before 0, as long as it was; its velocity within 1 to 127."""
    velocity = min(max(velocity, 1), 127)
    if shift_s == 0.0:
        return replace(note, velocity=velocity)
    onset_s = max(0.0, note.onset_s + shift_s)
    end_s = max(onset_s + (note.offset_s - note.onset_s), math.nextafter(onset_s, math.inf))
    return replace(note, onset_s=onset_s, offset_s=end_s, velocity=velocity)


def _merged(first: Note, second: Note) -> Note:
    """One note for two that begin together; `first` begins no later."""
    surer = max(first, second, key=lambda note: note.confidence)
    shift_s = surer.onset_s - first.onset_s
    bend = tuple((time_s + shift_s, semitones) for time_s, semitones in surer.bend)
    return replace(surer, onset_s=first.onset_s, offset_s=max(first.offset_s, second.offset_s), bend=bend)
