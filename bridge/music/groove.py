"""The feel of a part, taken from its notes and given to others. Pure; times are seconds, places on the grid are ticks.

A groove says for each step of a cycle of bars how late a part plays it on average, and how loud. A part gets it by
moving its own averages there: what its notes differ from these by, they keep. So a part that has the feel already, as
the one that it was taken from, stays as it is, and one that was quantised gets it exactly.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple

from bridge.model import Groove, GrooveStep, Note
from bridge.music.notes import moved, share_of
from bridge.music.quantize import nearest_grid_line
from bridge.music.segments import has_pick_up
from bridge.music.timeline import TICKS_PER_BEAT, Timeline

#: What a groove's steps are where nobody says: in most popular music the feel is in the sixteenths.
GRID = Fraction(1, 16)
#: A move that a MIDI file can't tell from none, in ticks.
_STILL_TICKS = 0.5
_WHOLE_TICKS = 4 * TICKS_PER_BEAT


def extract(notes: Sequence[Note], timeline: Timeline, grid: Fraction = GRID, bars: int = 1) -> Groove:
    """The feel of notes.

    Parameters
    ----------
    notes
        In any order.
    timeline
        Where the beats and bars are. A pick-up bar counts as the end of a bar.
    grid
        Length of a step as a fraction of a whole note; above 0.
    bars
        After how many bars the feel repeats, 1 or more.
    """
    found: dict[tuple[int, int], list[_Place]] = defaultdict(list)
    places = list(_places(notes, timeline, grid))
    for place in places:
        found[place.bar % bars, place.step].append(place)
    whole_bar = timeline.bar_end(timeline.bar_end(0)) - timeline.bar_end(0)
    steps_in_bar = max((math.ceil(whole_bar / float(grid * _WHOLE_TICKS)), *(step + 1 for _, step in found)))
    mean = sum(place.velocity for place in places) / max(1, len(places))
    keys = [(bar, step) for bar in range(bars) for step in range(steps_in_bar)]
    return Groove(grid, bars, tuple(_mean_step(found[key], mean) if key in found else None for key in keys))


def with_groove(
    notes: Sequence[Note], timeline: Timeline, groove: Groove, own: Groove, strength: float = 1.0
) -> list[Note]:
    """Notes with the feel of a groove; lengths stay, and so do notes of steps that it doesn't have.

    Parameters
    ----------
    notes
        In any order, in which they stay.
    timeline
        Where the beats and bars are.
    groove
        The feel to be had.
    own
        The feel that the notes have now: `extract` of them with the grid and bars of `groove`, or of the part that
        they belong to.
    strength
        How much of it, 0 (nothing changes) to 1.

    Raises
    ------
    ValueError
        If `strength` is outside 0 to 1.
    """
    if share_of(strength, "a groove's strength") == 0.0:
        return list(notes)
    grooved = []
    for note, place in zip(notes, _places(notes, timeline, groove.grid), strict=True):
        wanted, has = groove.step(place.bar, place.step), own.step(place.bar, place.step)
        grooved.append(_grooved(note, timeline, groove.grid, wanted, has, strength) if wanted and has else note)
    return grooved


class _Place(NamedTuple):
    """Where a note is: the bar, the step of it, how late it is in steps; and how loud."""

    bar: int
    step: int
    offset: float
    velocity: int


def _places(notes: Sequence[Note], timeline: Timeline, grid: Fraction) -> Iterator[_Place]:
    step_ticks = float(grid * _WHOLE_TICKS)
    positions = [timeline.position(note.onset_s) for note in notes]
    bar_lines, pick_up_ticks = _bar_lines(timeline, max(positions, default=0.0))
    for note, position in zip(notes, positions, strict=True):
        line = nearest_grid_line(timeline, position, grid)
        bar = bisect_right(bar_lines, line) - 1
        step = round((line - bar_lines[bar]) / step_ticks)
        yield _Place(bar - bool(pick_up_ticks), step, (position - line) / step_ticks, note.velocity)


def _bar_lines(timeline: Timeline, last: float) -> tuple[list[int], int]:
    """The bar lines to beyond a place in ticks; and how much of its bar a pick-up lacks, with whose line they begin."""
    lines = [0]
    while lines[-1] <= last or len(lines) < 3:
        lines.append(timeline.bar_end(lines[-1]))
    missing = lines[2] - 2 * lines[1] if has_pick_up(timeline) else 0
    return [-missing, *lines[1:]], missing


def _mean_step(places: Sequence[_Place], mean_velocity: float) -> GrooveStep:
    offset = sum(place.offset for place in places) / len(places)
    velocity = sum(place.velocity for place in places) / len(places)
    return GrooveStep(min(max(offset, -1.0), 1.0), velocity / mean_velocity)


def _grooved(
    note: Note, timeline: Timeline, grid: Fraction, wanted: GrooveStep, has: GrooveStep, strength: float
) -> Note:
    """A note with the feel of `wanted`, of a step that now has that of `has`."""
    shift_ticks = strength * (wanted.offset - has.offset) * float(grid * _WHOLE_TICKS)
    shift_s = 0.0
    if abs(shift_ticks) >= _STILL_TICKS:
        shift_s = timeline.ticks_to_seconds(timeline.position(note.onset_s) + shift_ticks) - note.onset_s
    return moved(note, shift_s, round(note.velocity * math.pow(wanted.velocity / has.velocity, strength)))
