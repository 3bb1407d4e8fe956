"""Notes onto the grid of a timeline, and into other keys. Pure; times are seconds, places on the grid are ticks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

from bridge.model import Note
from bridge.music.timeline import TICKS_PER_BEAT, Timeline

#: A whole note in ticks.
_WHOLE_TICKS = 4 * TICKS_PER_BEAT
#: The finest grid that ticks can tell apart.
FINEST_GRID = Fraction(1, _WHOLE_TICKS)


def quantize(
    notes: Iterable[Note], timeline: Timeline, grid: Fraction, strength: float = 1.0, swing: float = 0.0
) -> list[Note]:
    """Notes whose onsets are moved to the grid, in order of onset.

    Grid lines are counted from each bar line, so a pick-up bar or an odd bar doesn't shift what follows. Durations in
    seconds stay as they are (a phrase keeps its staccato), but no note gets shorter than a tick. Two notes of one pitch
    that meet on one tick become one: with the louder one's velocity, bend and confidence, and the later one's end. A
    note that now would last into the next of its pitch ends where that begins.

    Parameters
    ----------
    notes
        In any order.
    timeline
        Where the beats and bars are.
    grid
        Distance of the grid lines as a fraction of a whole note, such as 1/16, or 1/12 for eighth-note triplets; above
        0.
    strength
        How much of the way to the nearest grid line an onset goes: 0 changes nothing at all, 1 lands on a grid line's
        tick.
    swing
        Delay of every second grid line in half grid steps: 0 is straight, 2/3 the triplet feel (the off-beat two thirds
        into the pair), 1 the dotted feel (three quarters into it). Triplet grids have their feel already and stay
        straight.

    Raises
    ------
    ValueError
        If `grid` is not above 0 and at least a tick, or `strength` or `swing` is outside 0 to 1.
    """
    if grid < FINEST_GRID:
        raise ValueError(f"a grid of {grid} is finer than MIDI's ticks")
    if not (0.0 <= strength <= 1.0 and 0.0 <= swing <= 1.0):
        raise ValueError(f"strength and swing are 0 to 1, got {strength} and {swing}")
    if strength == 0.0:
        return list(notes)
    moved: dict[int, dict[int, Note]] = defaultdict(dict)
    for note in sorted(notes):
        played = timeline.position(note.onset_s)
        line = nearest_grid_line(timeline, played, grid, swing)
        tick = line if strength == 1.0 else round(played + strength * (line - played))
        placed = _placed(note, timeline, tick)
        same = moved[note.pitch].get(tick)
        moved[note.pitch][tick] = placed if same is None else _merged(same, placed)
    return sorted(note for by_tick in moved.values() for note in _without_overlap(by_tick))


def nearest_grid_line(timeline: Timeline, position: float, grid: Fraction, swing: float = 0.0) -> int:
    """The tick of the grid line nearest to a place in ticks; see `quantize` for `grid` and `swing`."""
    bar_start, bar_end = timeline.bar_start(position), timeline.bar_end(position)
    step = float(grid * _WHOLE_TICKS)
    is_binary = grid.denominator & (grid.denominator - 1) == 0
    delay = swing * step / 2.0 if is_binary else 0.0
    below = int((position - bar_start) // step)
    lines = [
        bar_start + round(index * step + (delay if index % 2 else 0.0)) for index in range(max(0, below - 1), below + 2)
    ]
    return min((line for line in (*lines, bar_end) if line <= bar_end), key=lambda line: abs(line - position))


def transpose(notes: Iterable[Note], semitones: int) -> list[Note]:
    """Notes moved by `semitones`; one that would leave MIDI's 0 to 127 is folded back by octaves, so none is lost."""
    return [replace(note, pitch=_folded(note.pitch + semitones)) for note in notes]


def _folded(pitch: int) -> int:
    if pitch < 0:
        return pitch % 12
    return pitch if pitch <= 127 else 127 - (127 - pitch) % 12


def _placed(note: Note, timeline: Timeline, tick: int) -> Note:
    """A note that begins on a tick, as long as before but at least a tick."""
    onset_s = timeline.ticks_to_seconds(tick)
    shortest_s = timeline.ticks_to_seconds(tick + 1)
    return replace(note, onset_s=onset_s, offset_s=max(shortest_s, onset_s + (note.offset_s - note.onset_s)))


def _merged(first: Note, second: Note) -> Note:
    louder = max(first, second, key=lambda note: (note.velocity, note.confidence))
    return replace(louder, offset_s=max(first.offset_s, second.offset_s))


def _without_overlap(by_tick: dict[int, Note]) -> list[Note]:
    """Notes of one pitch, each ending no later than the next begins."""
    notes = [by_tick[tick] for tick in sorted(by_tick)]
    cut = [replace(note, offset_s=min(note.offset_s, after.onset_s)) for note, after in pairwise(notes)]
    return cut + notes[-1:]
