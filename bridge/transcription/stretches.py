"""Notes of a recording of any length: found in stretches that overlap, each note once and whole.

A stretch is half a minute long and is heard with three seconds of what comes before and after it. A note belongs to the
stretch in which it begins. One that sounds out of its stretch's far margin is kept open until a later stretch tells
where it ends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from bridge.transcription.frames import KEPT_FRAMES, Evidence, Found, joined

STRETCH_WINDOWS = 18  # 29.5 s: some 10 MB of evidence
MARGIN_WINDOWS = 2  # 3.3 s on either side
# a note that ends so close (0.28 s) to the end of what was heard may go on: what is asked of a frame reaches that far,
# but for the judge of releases, whose ends hardly move by what comes later
_END_FRAMES = 24


class Decoder(Protocol):
    """Finds the notes of one stretch; frames count from its start."""

    @property
    def wanted(self) -> Collection[str]:
        """Names of the arrays of `Evidence` that it looks at; the others may be empty."""

    def __call__(self, known: Evidence, sounding: Collection[int]) -> list[Found]:
        """Notes of `known` in order; `sounding` are the pitches that sound from before it."""


@dataclass(frozen=True, slots=True, eq=False)
class _Stretch:
    known: Evidence
    first: int  # frame of the recording at which `known` begins
    begin: int  # frames of the recording whose notes are this stretch's own
    end: int
    is_last: bool


def notes_of(windows: Iterator[Evidence], decode: Decoder, stretch_windows: int = STRETCH_WINDOWS) -> Iterator[Found]:
    """Every note of a recording once, about in order of start; frames count from the start of the recording."""
    unfinished: list[Found] = []
    for stretch in _stretches(windows, stretch_windows):
        before = [note.pitch for note in unfinished if note.start <= stretch.first]
        found = [_moved(note, stretch.first) for note in decode(stretch.known, before)]
        heard_to = stretch.first + len(stretch.known) - _END_FRAMES
        own = [note for note in found if stretch.begin <= note.start < stretch.end]
        continued = [_continued(note, found, stretch.begin) for note in unfinished]
        unfinished = []
        for note in (*continued, *own):
            if note.end >= heard_to and not stretch.is_last:
                unfinished.append(note)
            else:
                yield note
    yield from unfinished


def _stretches(windows: Iterator[Evidence], size: int) -> Iterator[_Stretch]:
    held: deque[Evidence] = deque()
    first = begin = 0  # windows
    is_last = False
    while not is_last:
        wanted = begin + size + MARGIN_WINDOWS - first
        while len(held) < wanted and (window := next(windows, None)) is not None:
            held.append(window)
        is_last = len(held) < wanted
        if not held:
            return
        end = begin + len(held) if is_last else begin + size
        yield _Stretch(joined(held), first * KEPT_FRAMES, begin * KEPT_FRAMES, end * KEPT_FRAMES, is_last)
        begin = end
        while first < begin - MARGIN_WINDOWS and held:
            held.popleft()
            first += 1


def _continued(note: Found, found: list[Found], border: int) -> Found:
    """An unfinished note with the end that the next stretch hears, or as it was where that hears nothing."""
    for later in found:
        # A single voice may round its pitch to the other neighbour once it has heard more of the note.
        if later.start < border < later.end and abs(later.pitch - note.pitch) <= 1 and later.end > note.end:
            off = later.pitch - note.pitch
            bend = tuple((frame, semitones + off) for frame, semitones in later.bend if frame >= note.end)
            share = (note.end - note.start) / (later.end - note.start)
            sounding = share * note.sounding + (1.0 - share) * later.sounding
            share_db = share * note.share_db + (1.0 - share) * later.share_db
            return replace(note, end=later.end, sounding=sounding, share_db=share_db, bend=note.bend + bend)
    return note


def _moved(note: Found, frames: int) -> Found:
    bend = tuple((frame + frames, semitones) for frame, semitones in note.bend)
    return replace(note, start=note.start + frames, end=note.end + frames, bend=bend)
