"""From notes as played to a rhythm that people can read: which grid each beat has, where notes begin and end on it, and
which voice they belong to. Pure; `bridge.music.notation` writes what comes out as note values, rests, ties and beams.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

from bridge.model import Note
from bridge.music.meter import Meter, meter_at
from bridge.music.timeline import TICKS_PER_BEAT, Timeline

_EIGHTH = TICKS_PER_BEAT // 2
_SIXTEENTH = TICKS_PER_BEAT // 4
_TRIPLET = TICKS_PER_BEAT // 3
#: What a grid costs, in squared standard deviations of an onset: readers prefer few and binary divisions. Keys are the
#: lengths of the steps in ticks: quarter, eighth, sixteenth, triplet eighth.
GRID_COSTS: Mapping[int, float] = {TICKS_PER_BEAT: 0.0, _EIGHTH: 0.6, _SIXTEENTH: 1.6, _TRIPLET: 3.4}
#: How far from the grid onsets lie, in ticks: players and transcription together, about 30 ms at 120 BPM.
LOOSE_TICKS = 28.0
#: A beat with only one of a triplet's inner notes is more likely played loosely, unless this share of all divided
#: beats, and so many of them, are triplets: then the part swings, and what may be a triplet is one.
LONE_TRIPLET_COST, SWING_GAIN = 4.0, 3.0
SWUNG_SHARE, SWUNG_BEATS = 0.25, 4
#: Onsets closer than this are one chord; two further apart than this on one grid line are one note lost, at a cost.
TOGETHER_TICKS = 50
LOST_COST = 3.0
#: A note lasts to the next one of its voice where the gap is at most this long, or at most a quarter and half as long
#: as the note itself: readers want note values, not the rests that a light touch leaves.
SHORT_REST = _EIGHTH
#: A note belongs to a second voice when it goes on that long after the next one has begun.
HELD_TICKS = TICKS_PER_BEAT
#: That many notes beginning within a held one tell whether they lie above or below it.
ENOUGH = 16


#: MusicXML's octaves begin at 0, which is MIDI's pitch 12, and so does B double sharp, 13: what is lower is written an
#: octave or two higher; pianos begin at 21.
LOWEST_PITCH = 14


class Span(NamedTuple):
    """Pitches that sound together from one tick to a later one."""

    start: int
    end: int
    pitches: tuple[int, ...]


class BarFrame(NamedTuple):
    """A bar to be filled with notes: its first tick and its kind."""

    start: int
    meter: Meter

    @property
    def end(self) -> int:
        """The tick of the next bar line."""
        return self.start + self.meter.bar_ticks


class Grid(NamedTuple):
    """Where notes may begin and end.

    Attributes
    ----------
    lines
        Ticks, ascending.
    triplets
        First ticks of the beats that are divided in three.
    """

    lines: tuple[int, ...]
    triplets: frozenset[int]

    def nearest(self, tick: float) -> int:
        """The grid line nearest to a place; the earlier of two."""
        place = bisect_left(self.lines, tick)
        around = self.lines[max(0, place - 1) : place + 1]
        return min(around, key=lambda line: abs(line - tick))

    def after(self, line: int) -> int:
        """The grid line after one; the last has none and is returned itself."""
        return self.lines[min(bisect_right(self.lines, line), len(self.lines) - 1)]


def bar_frames(timeline: Timeline) -> list[BarFrame]:
    """The bars of a song, one at least."""
    return [BarFrame(bar.start_tick, meter_at(timeline, bar.start_tick)) for bar in timeline.bars()] or [
        BarFrame(0, meter_at(timeline, 0))
    ]


def grid_of(notes: Iterable[Note], bars: Sequence[BarFrame], timeline: Timeline) -> Grid:
    """The grid that fits notes best, chosen for each beat: quarters, eighths, sixteenths or triplet eighths.

    Parameters
    ----------
    notes
        Of one part, in any order.
    bars
        All bars, ascending, without gaps.
    timeline
        Where the notes lie in ticks.
    """
    onsets = sorted(timeline.position(note.onset_s) for note in notes)
    grid = _chosen(onsets, bars, lone_cost=0.0)
    divided = sum(after - before < TICKS_PER_BEAT for before, after in pairwise(grid.lines)) / 3
    is_swung = len(grid.triplets) >= max(SWUNG_BEATS, SWUNG_SHARE * divided)
    return _chosen(onsets, bars, lone_cost=-SWING_GAIN if is_swung else LONE_TRIPLET_COST)


def _chosen(onsets: Sequence[float], bars: Sequence[BarFrame], lone_cost: float) -> Grid:
    """The cheapest grid; `lone_cost` is for triplets of which only one note inside the beat is there."""
    lines = [bars[0].start]
    triplets = []
    for bar in bars:
        for start, end in pairwise(bar.start + beat for beat in bar.meter.beats):
            inside = onsets[bisect_left(onsets, start) : bisect_left(onsets, end)]
            step = min(_steps(end - start), key=lambda step: _cost(inside, start, step, lone_cost))
            if step == _TRIPLET:
                triplets.append(start)
            lines += range(start + step, end + 1, step)
    return Grid(tuple(lines), frozenset(triplets))


def _steps(beat_ticks: int) -> tuple[int, ...]:
    """Steps into which a beat can be divided, coarsest first."""
    if beat_ticks == TICKS_PER_BEAT:
        return tuple(GRID_COSTS)
    fitting = tuple(step for step in (_EIGHTH, _SIXTEENTH) if beat_ticks % step == 0)
    return fitting or (beat_ticks,)


def _cost(onsets: Sequence[float], start: int, step: int, lone_cost: float) -> float:
    """How badly a grid suits the onsets of a beat."""
    lines = [round((onset - start) / step) for onset in onsets]
    misses = sum(((onset - start - line * step) / LOOSE_TICKS) ** 2 for onset, line in zip(onsets, lines, strict=True))
    lost = sum(
        before == line and onset - earlier > TOGETHER_TICKS
        for (earlier, onset), (before, line) in zip(pairwise(onsets), pairwise(lines), strict=True)
    )
    is_lone = step == _TRIPLET and not {1, 2} <= set(lines)
    return misses + LOST_COST * lost + GRID_COSTS[step] + (lone_cost if is_lone else 0.0)


def one_voice(notes: Iterable[Note], grid: Grid, timeline: Timeline) -> list[Span]:
    """Notes of a part that plays one at a time, on the grid; of those that begin together the longest stays."""
    longest: dict[int, Span] = {}
    for span in placed(notes, grid, timeline):
        if span.start not in longest or span.end > longest[span.start].end:
            longest[span.start] = span
    return joined(longest[start] for start in sorted(longest))


def two_voices(notes: Iterable[Note], grid: Grid, timeline: Timeline) -> tuple[list[Span], list[Span]]:
    """Notes of a part that plays chords, on the grid: the upper voice, and a lower one where notes are held apart.

    A note that goes on while others begin is held. Where it lies below what begins meanwhile it is the lower voice,
    with all of its chord that is lower still; where it lies above, what begins meanwhile is. The voices never cross: a
    note that is in the way of a later one ends there.
    """
    spans = sorted(set(placed(notes, grid, timeline)))
    starts = sorted({span.start for span in spans})
    voices: tuple[list[Span], list[Span]] = ([], [])
    for start, run in groupby(spans, key=lambda span: span.start):
        chord = list(run)
        upper, lower = (voice[-1] if voice and voice[-1].end - start >= HELD_TICKS else None for voice in voices)
        if lower is not None:
            border = lower.pitches[-1] + 1
        elif upper is not None:
            border = upper.pitches[0]
        else:
            border = _border([(span, _beginning_within(spans, starts, span)) for span in chord])
        for voice, part in (
            (voices[0], [span for span in chord if span.pitches[0] >= border]),
            (voices[1], [span for span in chord if span.pitches[0] < border]),
        ):
            voice.extend(chords_of(part))
    return _uncrossed(joined(voices[0]), joined(voices[1]))


def _border(chord: Iterable[tuple[Span, Sequence[int]]]) -> int:
    """The lowest pitch of the upper voice in a chord, of whose notes each comes with what begins while it is held."""
    held = [(span.pitches[0], sum(meanwhile) / len(meanwhile)) for span, meanwhile in chord if meanwhile]
    below = [pitch for pitch, middle in held if pitch < middle]
    above = [pitch for pitch, middle in held if pitch >= middle]
    return max(below) + 1 if below else min(above, default=0)


def _uncrossed(upper: Iterable[Span], lower: Iterable[Span]) -> tuple[list[Span], list[Span]]:
    """Two voices of which neither sounds on into a note of the other that lies on its wrong side."""
    voices: tuple[list[Span], list[Span]] = ([], [])
    for span, which in sorted([*((span, 0) for span in upper), *((span, 1) for span in lower)]):
        voices[which].append(span)
        other = voices[1 - which]
        if other and span.start < other[-1].end and other[-1].start < span.start:
            above, below = (span, other[-1]) if which == 0 else (other[-1], span)
            if above.pitches[0] <= below.pitches[-1]:
                other[-1] = other[-1]._replace(end=span.start)
    return voices


def below(spans: Iterable[Span], melody: Sequence[Span]) -> list[Span]:
    """Chords without the tones that a melody reaches down to while they sound.

    Parameters
    ----------
    spans
        Chords, in any order.
    melody
        In order, without overlap.
    """
    ends = [span.end for span in melody]
    kept = []
    for span in spans:
        first = bisect_right(ends, span.start)
        last = bisect_left(melody, span.end, key=lambda it: it.start)
        lowest = min((it.pitches[0] for it in melody[first:last]), default=LOWEST_PITCH + 127)
        if pitches := tuple(pitch for pitch in span.pitches if pitch < lowest):
            kept.append(span._replace(pitches=pitches))
    return kept


def struck(notes: Iterable[Note], grid: Grid, timeline: Timeline, bars: Sequence[BarFrame]) -> list[Span]:
    """Drum strokes on the grid, each written as long as there is room for in its beat."""
    spans = chords_of(set(placed(notes, grid, timeline)))
    beats = [bar.start + beat for bar in bars for beat in bar.meter.beats[1:]]
    nexts = [span.start for span in spans[1:]] + [grid.lines[-1]] * bool(spans)
    return [
        span._replace(end=min(after, beats[bisect_right(beats, span.start)]))
        for span, after in zip(spans, nexts, strict=True)
    ]


def chords_of(spans: Iterable[Span]) -> list[Span]:
    """Spans that begin together as one, as long as the longest, with each pitch once, ascending."""
    return [
        Span(start, max(span.end for span in together), tuple(sorted({p for span in together for p in span.pitches})))
        for start, run in groupby(sorted(spans), key=lambda span: span.start)
        if (together := list(run))
    ]


def joined(spans: Iterable[Span]) -> list[Span]:
    """Spans in order, each ending where the next begins if it would last longer or leave only a short rest."""
    spans = list(spans)
    result = []
    for span, after in pairwise(spans):
        rest = after.start - span.end
        is_short = rest <= SHORT_REST or (rest <= TICKS_PER_BEAT and 2 * rest <= span.end - span.start)
        result.append(span._replace(end=after.start) if is_short else span)
    return result + spans[-1:]


def placed(notes: Iterable[Note], grid: Grid, timeline: Timeline) -> Iterator[Span]:
    """Each note from the grid line nearest to its begin to that nearest to its end; none lasts less than a step."""
    last = grid.lines[-2]
    for note in notes:
        start = min(last, grid.nearest(timeline.position(note.onset_s)))
        end = grid.nearest(timeline.position(note.offset_s))
        yield Span(start, max(end, grid.after(start)), (writable(note.pitch),))


def writable(pitch: int) -> int:
    """A pitch, moved up by octaves where it lies below `LOWEST_PITCH`."""
    return pitch if pitch >= LOWEST_PITCH else LOWEST_PITCH + (pitch - LOWEST_PITCH) % 12


def _beginning_within(spans: Sequence[Span], starts: Sequence[int], span: Span) -> list[int]:
    """Pitches that begin while a span is held on, if it is."""
    place = bisect_right(starts, span.start)
    if place == len(starts) or span.end - starts[place] < HELD_TICKS:
        return []
    first = bisect_left(spans, starts[place], key=lambda it: it.start)
    last = bisect_left(spans, span.end, key=lambda it: it.start)
    return [other.pitches[0] for other in spans[first : min(last, first + ENOUGH)]]
