"""Where a song lies in a workstation's arrangement, in beats from its first bar line. Pure.

A MIDI file begins with its audio, so it needs a tempo for the stretch before the first beat and a bar of odd length
before the first downbeat (docs/decisions/0003-ticks-are-musical.md). In an arrangement the audio may begin anywhere, so
neither is needed: the first bar is a whole one, the song's own tempo holds from its start, and the audio begins inside
it, where its first beat is right. What is left are the changes of tempo and meter that the music itself has.

::

    MIDI file, ticks              0 lead-in    480 beat   960 beat   1440 downbeat    3/4, 200 BPM; then 4/4, 120 BPM
    here, beats        0      1      (1.4)     2 beat     3 beat     4 downbeat       4/4, 120 BPM
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

from bridge.model import BeatGrid
from bridge.music.timeline import TICKS_PER_BEAT, SignatureEvent, TempoEvent, Timeline

#: What Live's tempo field takes, in beats a minute.
SLOWEST_BPM, FASTEST_BPM = 20.0, 999.0
#: Beats closer together or further apart are left out or divided; a little inside of what `SLOWEST_BPM` and
#: `FASTEST_BPM` allow, since a tempo has whole microseconds.
_CLOSEST_S, _FURTHEST_S = 60.0 / 990.0, 60.0 / 20.5
#: What Live and MIDI can both write.
_MOST_BEATS_A_BAR, _FINEST_DENOMINATOR = 99, 16
#: Ticks within which a place counts as a bar line: what is left of a bar line's time after rounding to 1 µs.
_ON_LINE_TICKS = 0.01


class Tempo(NamedTuple):
    """From `beat` on there are `bpm` quarter notes a minute."""

    beat: float
    bpm: float


class Meter(NamedTuple):
    """From `beat` on, a bar line, bars are `numerator`/`denominator` long."""

    beat: float
    numerator: int
    denominator: int


@dataclass(frozen=True, slots=True)
class Ruler:
    """Beats of an arrangement for the ticks of a timeline.

    Attributes
    ----------
    timeline
        Of the song; another one than its MIDI files have only where their tempo is outside of what workstations take.
    whole_bar
        A bar in the song's own meter.
    pad_ticks
        What is put before its first bar, so that it is a whole one.
    lead_ticks, lead_stretch
        Its ticks up to `lead_ticks` are laid out at the tempo that follows them: each takes `lead_stretch` of a tick.
    """

    timeline: Timeline
    whole_bar: SignatureEvent
    pad_ticks: int = 0
    lead_ticks: int = 0
    lead_stretch: float = 1.0

    @classmethod
    def of(cls, grid: BeatGrid, timeline: Timeline) -> Ruler:
        """The ruler for a song of which both are known."""
        ruler = cls._over(grid, timeline)
        if all(SLOWEST_BPM <= tempo.bpm <= FASTEST_BPM for tempo in ruler.tempos()):
            return ruler
        playable = _playable(grid)
        return cls._over(playable, Timeline.from_grid(playable, timeline.duration_s))

    @classmethod
    def _over(cls, grid: BeatGrid, timeline: Timeline) -> Ruler:
        whole = SignatureEvent(0, *grid.time_signature)
        pad_ticks = _missing_ticks(grid, timeline, whole)
        lead = _lead_in(timeline.tempo_events, _beat_near(timeline.position(grid.beats_s[0]))) if grid.beats_s else None
        if lead is None:
            return cls(timeline, whole, pad_ticks)
        before, after = lead
        return cls(timeline, whole, pad_ticks, after.tick, before.us_per_quarter / after.us_per_quarter)

    def beat(self, tick: float) -> float:
        """Where what is heard at a tick of the timeline lies, in beats; 0 or more for 0 or more."""
        if tick < self.lead_ticks:
            tick = self.lead_ticks - (self.lead_ticks - tick) * self.lead_stretch
        return self.line(tick)

    def line(self, tick: float) -> float:
        """Where a bar line or a beat of the timeline lies, in beats."""
        return (tick + self.pad_ticks) / TICKS_PER_BEAT

    def at(self, seconds: float) -> float:
        """Where a time of the audio lies, in beats."""
        return self.beat(self.timeline.position(seconds))

    def tempos(self) -> list[Tempo]:
        """The tempo at the start and each change of it."""
        events = self.timeline.tempo_events[1:] if self.lead_ticks else self.timeline.tempo_events
        return [
            Tempo(self.line(event.tick) if index else 0.0, 60e6 / event.us_per_quarter)
            for index, event in enumerate(events)
        ]

    def meters(self) -> list[Meter]:
        """The meter at the start and each change of it."""
        first, *later = self.timeline.signature_events
        if self.pad_ticks:
            if not later or later[0].tick > first.bar_ticks:  # the pick-up's meter goes on after it
                later = [first._replace(tick=first.bar_ticks), *later]
            first = self.whole_bar._replace(tick=-self.pad_ticks)
        changes = [event for before, event in pairwise((first, *later)) if event[1:] != before[1:]]
        return [Meter(self.line(event.tick), *_written(event)) for event in (first, *changes)]

    def bar_line_from(self, tick: float) -> int:
        """The first bar line at or after a tick, and after the start."""
        line = self.timeline.bar_start(tick)
        return line if line > 0 and tick - line <= _ON_LINE_TICKS else self.timeline.bar_end(tick)


def _missing_ticks(grid: BeatGrid, timeline: Timeline, whole_bar: SignatureEvent) -> int:
    """What a bar before the first downbeat lacks of a whole one; 0 where there is no such bar."""
    first_bar = timeline.signature_events[0].bar_ticks
    if not grid.downbeats_s or _beat_near(timeline.position(grid.downbeats_s[0])) != first_bar:
        return 0
    return max(0, whole_bar.bar_ticks - first_bar)


def _beat_near(tick: float) -> int:
    """The tick of the beat that a time of it, which may be snapped to the start, is nearest to."""
    return round(tick / TICKS_PER_BEAT) * TICKS_PER_BEAT


def _lead_in(events: tuple[TempoEvent, ...], first_beat: int) -> tuple[TempoEvent, TempoEvent] | None:
    """The tempo of a lead-in that is faster than the song, and the song's; a slower one is a tempo like any other."""
    if len(events) < 2 or events[1].tick != first_beat or events[0].us_per_quarter >= events[1].us_per_quarter:
        return None
    return events[0], events[1]


def _written(event: SignatureEvent) -> tuple[int, int]:
    """A signature with numbers that can be written; 4/4 where there are none for it, so that a file stays readable."""
    numerator, denominator = event.numerator, event.denominator
    while denominator > _FINEST_DENOMINATOR and numerator % 2 == 0:
        numerator, denominator = numerator // 2, denominator // 2
    is_writable = numerator <= _MOST_BEATS_A_BAR and denominator <= _FINEST_DENOMINATOR
    return (numerator, denominator) if is_writable else (4, 4)


def _playable(grid: BeatGrid) -> BeatGrid:
    """The grid with its tempo inside of what workstations take.

    Beats follow each other within `_CLOSEST_S` to `_FURTHEST_S`.
    """
    octaves = 0
    if not SLOWEST_BPM <= grid.bpm <= FASTEST_BPM:
        nearest = min(max(grid.bpm, SLOWEST_BPM), FASTEST_BPM)
        octaves = (
            math.ceil(math.log2(nearest / grid.bpm))
            if grid.bpm < nearest
            else math.floor(math.log2(nearest / grid.bpm))
        )
    beats_s = tuple(_even_out(grid.beats_s))
    downbeats_s = tuple(sorted(set(grid.downbeats_s) & set(beats_s)))
    return replace(grid, bpm=grid.bpm * 2.0**octaves, beats_s=beats_s, downbeats_s=downbeats_s)


def _even_out(beats_s: tuple[float, ...]) -> Iterator[float]:
    """Beats without those that come too soon, and with more where they are too far apart."""
    kept: list[float] = []
    for beat_s in beats_s:
        if not kept or beat_s - kept[-1] >= _CLOSEST_S:
            kept.append(beat_s)
    for before, after in pairwise([0.0, *kept]):
        pieces = max(1, math.ceil((after - before) / _FURTHEST_S))
        yield from (before + (after - before) * piece / pieces for piece in range(1, pieces))
        yield after
