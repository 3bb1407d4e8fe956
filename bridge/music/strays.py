"""Notes far outside of what a part plays, which are mostly octave errors: kept out of what people read. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from bridge.model import Note

#: The share of a part's notes at either end of its compass that says nothing about its usual range.
UNUSUAL = 0.1
#: A stray note is this many semitones or more outside of the usual range.
FAR = 12
#: Fewer notes have no usual range.
ENOUGH = 16


def without_strays(notes: Sequence[Note], *, fold: bool) -> list[Note]:
    """Notes without the strays: those an octave or more outside of the usual range that are less certain than most.

    Parameters
    ----------
    notes
        Of one part, in any order, in which they stay.
    fold
        Whether strays are moved by octaves to where the part plays, as for one voice, where each leaves a gap;
        otherwise they are left out, as what sounds together with them remains.
    """
    if len(notes) < ENOUGH:
        return list(notes)
    pitches = sorted(note.pitch for note in notes)
    rare = int(UNUSUAL * len(pitches))
    low, high = pitches[rare], pitches[-1 - rare]
    certain = median(note.confidence for note in notes)
    kept = []
    for note in notes:
        is_stray = not low - FAR < note.pitch < high + FAR and note.confidence < certain
        if not is_stray:
            kept.append(note)
        elif fold:
            kept.append(replace(note, pitch=_folded(note.pitch, low, high)))
    return kept


def _folded(pitch: int, low: int, high: int) -> int:
    """A pitch moved by octaves as far as it takes to reach a range, or to within half an octave of it."""
    while pitch < low - FAR // 2 and pitch + 12 <= 127:
        pitch += 12
    while pitch > high + FAR // 2 and pitch >= 12:
        pitch -= 12
    return pitch
