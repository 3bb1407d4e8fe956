"""Notes as detected, in seconds, into the beats of the clip that is to hold them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple

from bridge.live.clip import ClipFacts
from bridge.live.warp import SAME_BEAT, Layout, Span, WarpMap
from bridge.model import Note
from bridge.music.quantize import quantize, transpose
from bridge.music.timeline import TICKS_PER_BEAT, SignatureEvent, TempoEvent, Timeline
from bridge.names import PITCHED_PARTS

#: How close to an edge a note counts as belonging to what is on its other side (beats): 31 ms at 120 BPM, about as
#: closely as engines tell when a note begins.
EDGE_BEATS = 1 / 16
#: A note's least length: a tick of the MIDI files.
SHORTEST_BEATS = 1 / TICKS_PER_BEAT
#: With one second to a beat, seconds are beats.
_BEAT_A_SECOND = TempoEvent(0, 1_000_000)


class BeatNote(NamedTuple):
    """A note in beats, in the words of Live's ``add_new_notes``."""

    start_time: float
    pitch: int
    duration: float
    velocity: int


def notes_in_clip(
    part: str, notes: Sequence[Note], offset_s: float, clip: ClipFacts, warp: WarpMap, layout: Layout
) -> list[BeatNote]:
    """Notes of a part in beats of the new clip: transposed, quantised, cut to what is heard, in order.

    Parameters
    ----------
    part
        Name of a part, or of a component of the drums; those keep their keys.
    notes
        As detected, in seconds from `offset_s` of the file.
    offset_s
        Where the converted stretch begins, in file seconds.
    clip
        The clip, with the user's options.
    warp, layout
        Of the clip.
    """
    is_pitched = part in PITCHED_PARTS
    placed = []
    for note in notes:
        start, end = warp.beat(offset_s + note.onset_s), warp.beat(offset_s + note.offset_s)
        pitch = _wanted_pitch(note, clip, warp.seconds_per_beat(start)) if is_pitched else note.pitch
        placed.append(BeatNote(start, pitch, end - start, note.velocity))
    if clip.options.quantize is not None:
        placed = _quantised(placed, clip)
    inside = [kept for span in layout.spans for note in placed if (kept := _within(note, span, is_pitched)) is not None]
    return _without_overlaps(inside)


def _wanted_pitch(note: Note, clip: ClipFacts, seconds_per_beat: float) -> int:
    """The pitch at which the user wants a note."""
    heard = clip.transposition(seconds_per_beat) if clip.options.pitch == "heard" else 0
    return transpose([note], heard + clip.options.transpose)[0].pitch


def _quantised(notes: Sequence[BeatNote], clip: ClipFacts) -> list[BeatNote]:
    """Notes on the grid of the clip's own beats and bars, or of the song's where an unwarped clip has none."""
    options = clip.options
    # The grid begins at beat 0; bars below it are moved up by whole ones.
    lowest = min((note.start_time for note in notes), default=0.0)
    up = clip.start_time if clip.is_arrangement and not clip.warping else 0.0
    up += clip.bar * max(0.0, -((lowest + up) // clip.bar))
    last = max((note.start_time + note.duration for note in notes), default=0.0) + up
    timeline = Timeline.from_events([_BEAT_A_SECOND], [SignatureEvent(0, *clip.signature)], last)
    as_seconds = [
        Note(note.start_time + up, note.start_time + up + note.duration, note.pitch, note.velocity) for note in notes
    ]
    moved = quantize(as_seconds, timeline, Fraction(options.quantize or "1/16"), options.strength, options.swing)
    return [BeatNote(note.onset_s - up, note.pitch, note.offset_s - note.onset_s, note.velocity) for note in moved]


def _within(note: BeatNote, span: Span, is_pitched: bool) -> BeatNote | None:
    """What of a note is heard in a span, in beats of the new clip; None for nothing.

    docs/reference/insert.md states the rules of the edges.
    """
    start, end = note.start_time, note.start_time + note.duration
    is_behind = start >= span.end - SAME_BEAT
    is_early_for_what_is_behind = start > span.end - EDGE_BEATS and end > span.end + EDGE_BEATS
    if is_behind or is_early_for_what_is_behind:
        return None
    if start < span.start:
        is_early = start >= span.start - EDGE_BEATS
        lasts = end >= span.start + EDGE_BEATS
        if not (lasts if is_pitched else is_early):
            return None
        start, end = span.start, max(end, span.start + SHORTEST_BEATS)
    duration = max(min(end, span.end) - start, SHORTEST_BEATS)
    return note._replace(start_time=start - span.start + span.at, duration=duration)


def _without_overlaps(notes: Iterable[BeatNote]) -> list[BeatNote]:
    """Notes in order, of one pitch one at a time, as Live deletes or cuts what overlaps.

    A note ends where the next of its pitch begins; of two that begin within a tick the louder stays.
    """
    kept: list[BeatNote] = []
    last_of: dict[int, int] = {}
    for note in sorted(notes):
        place = last_of.get(note.pitch)
        if place is not None and note.start_time - kept[place].start_time < SHORTEST_BEATS:
            longest = max(kept[place].duration, note.duration)
            loudest = max(kept[place].velocity, note.velocity)
            kept[place] = kept[place]._replace(duration=longest, velocity=loudest)
            continue
        if place is not None:
            earlier = kept[place]
            kept[place] = earlier._replace(duration=min(earlier.duration, note.start_time - earlier.start_time))
        last_of[note.pitch] = len(kept)
        kept.append(note)
    return kept
