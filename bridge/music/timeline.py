"""Seconds of audio and MIDI ticks, both at once: the only place where one becomes the other.

A MIDI file's second is the audio's second, and its ticks are musical: beats fall on multiples of `TICKS_PER_BEAT`,
downbeats on bar lines (docs/decisions/0003-ticks-are-musical.md). All arithmetic uses the whole microseconds that a
file can hold, so that a reader of the file finds exactly the times that were meant.

A tick is an int; where a position between ticks is needed it is a float in ticks.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import NamedTuple, TypeVar

from bridge.model import BeatGrid

#: Ticks in a quarter note, the "division" of every MIDI file that is written: the contract's figure, and divisible by
#: 3, 5 and 32.
TICKS_PER_BEAT = 480
#: A first beat closer than this to the start (or to one beat before it) counts as lying on it: no listener hears 12 ms
#: as late, and the song gets one tempo instead of two.
SNAP_S = 0.012
#: How far whole microseconds a beat may run off from a constant tempo before a tempo one microsecond away takes over.
#: Rounding errs by at most half a microsecond a beat, so a song of under 1,500 beats has one tempo; longer ones stay
#: within 1 ms for ever.
DRIFT_LIMIT_US = 750.0
#: Beats that lie this close to an even spacing have a constant tempo; the reading of a file is within 1 ms either way.
EVEN_US = 200.0
#: The tempo of a MIDI file is a 24-bit number of microseconds.
MAX_TEMPO_US = (1 << 24) - 1
#: A denominator's finest value here: 1/32 is 60 ticks.
_DENOMINATORS = (4, 8, 16, 32)


class TempoEvent(NamedTuple):
    """From `tick` on, a quarter note lasts `us_per_quarter` microseconds."""

    tick: int
    us_per_quarter: int


class SignatureEvent(NamedTuple):
    """From `tick` on, which is a bar line, bars are `numerator`/`denominator` long."""

    tick: int
    numerator: int
    denominator: int

    @property
    def bar_ticks(self) -> int:
        """Length of such a bar in ticks."""
        return self.numerator * 4 * TICKS_PER_BEAT // self.denominator


_Event = TypeVar("_Event", TempoEvent, SignatureEvent)


class Bar(NamedTuple):
    """One bar of the written file; the first may be a pick-up."""

    start_tick: int
    end_tick: int
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """The mapping between seconds of audio and MIDI ticks, as tempo and time-signature events tell it.

    Attributes
    ----------
    tempo_events
        Ascending, the first at tick 0, each on a multiple of `TICKS_PER_BEAT`.
    signature_events
        Ascending, the first at tick 0, each on a bar line of the one before.
    duration_s
        Length of the audio in seconds; the mapping goes on beyond it.
    """

    tempo_events: tuple[TempoEvent, ...]
    signature_events: tuple[SignatureEvent, ...]
    duration_s: float
    #: Microseconds at which each tempo event comes; whole numbers where events lie on whole beats.
    _tempo_starts_us: tuple[float, ...]

    @classmethod
    def from_events(
        cls, tempo_events: Sequence[TempoEvent], signature_events: Sequence[SignatureEvent], duration_s: float
    ) -> Timeline:
        """The timeline of given events; see the attributes for what they must be."""
        steps = (
            (after.tick - before.tick) * before.us_per_quarter / TICKS_PER_BEAT
            for before, after in pairwise(tempo_events)
        )
        starts_us = tuple(accumulate(steps, initial=0.0))
        return cls(tuple(tempo_events), tuple(signature_events), duration_s, starts_us)

    @classmethod
    def from_grid(cls, grid: BeatGrid, duration_s: float) -> Timeline:
        """The timeline on which the beats of `grid` are multiples of 480 ticks and its downbeats bar lines.

        Parameters
        ----------
        grid
            Beats in seconds, strictly ascending from 0 on. Evenly spaced ones give one tempo; others one for each beat
        where it changes.
        duration_s
            Length of the audio in seconds.

        Raises
        ------
        ValueError
            If the beats don't ascend, or the tempo is not a number of beats a minute that MIDI can hold (3.6 and more).
        """
        beats_us = [beat_s * 1e6 for beat_s in grid.beats_s]
        if (beats_us and beats_us[0] < 0.0) or any(after <= before for before, after in pairwise(beats_us)):
            raise ValueError("the beats of a grid ascend from 0 s on")
        period_us = _period_us(beats_us, grid.bpm)
        if beats_us and _is_even(beats_us, period_us):
            tempos, first_tick = _even_tempos(beats_us, period_us, duration_s)
            beat_ticks = [first_tick + TICKS_PER_BEAT * index for index in range(len(beats_us))]
        elif beats_us:
            tempos, beat_ticks = _uneven_tempos(beats_us, period_us)
        else:
            tempos, beat_ticks = list(_steady_tempos(0, period_us, duration_s)), []
        downbeats_s = set(grid.downbeats_s)
        bar_lines = [tick for tick, beat_s in zip(beat_ticks, grid.beats_s, strict=True) if beat_s in downbeats_s]
        return cls.from_events(_without_repeats(tempos), _signatures(bar_lines, grid.time_signature), duration_s)

    def position(self, seconds: float) -> float:
        """Where a time lies, in ticks, not rounded."""
        microseconds = seconds * 1e6
        index = max(0, bisect_right(self._tempo_starts_us, microseconds) - 1)
        tick, us_per_quarter = self.tempo_events[index]
        return tick + (microseconds - self._tempo_starts_us[index]) * TICKS_PER_BEAT / us_per_quarter

    def seconds_to_ticks(self, seconds: float) -> int:
        """The tick nearest to a time in seconds."""
        return round(self.position(seconds))

    def ticks_to_seconds(self, ticks: float) -> float:
        """When a tick (or a place between two) comes, in seconds."""
        index = max(0, bisect_right(self.tempo_events, ticks, key=lambda event: event.tick) - 1)
        tick, us_per_quarter = self.tempo_events[index]
        return (self._tempo_starts_us[index] + (ticks - tick) * us_per_quarter / TICKS_PER_BEAT) / 1e6

    def bar_start(self, ticks: float) -> int:
        """The last bar line at or before a place in ticks; the first one for places before it."""
        signature = self._signature_at(ticks)
        return signature.tick + max(0, int((ticks - signature.tick) // signature.bar_ticks)) * signature.bar_ticks

    def bar_end(self, ticks: float) -> int:
        """The first bar line after a place in ticks."""
        return self.bar_start(ticks) + self._signature_at(ticks).bar_ticks

    def bars(self) -> list[Bar]:
        """The bars that begin before the audio ends; the last may reach beyond its end."""
        bars = []
        start_tick = 0
        while (start_s := self.ticks_to_seconds(start_tick)) < self.duration_s:
            end_tick = self.bar_end(start_tick)
            bars.append(Bar(start_tick, end_tick, start_s, self.ticks_to_seconds(end_tick)))
            start_tick = end_tick
        return bars

    def between(self, start_tick: int, end_tick: int) -> Timeline:
        """The timeline of a stretch that begins at a bar line; it counts from there on."""
        tempos = [
            TempoEvent(max(0, tick - start_tick), us_per_quarter)
            for (tick, us_per_quarter), until in _with_ends(self.tempo_events)
            if tick < end_tick and until > start_tick
        ]
        signatures = [
            event._replace(tick=max(0, event.tick - start_tick))
            for event, until in _with_ends(self.signature_events)
            if event.tick < end_tick and until > start_tick
        ]
        duration_s = self.ticks_to_seconds(end_tick) - self.ticks_to_seconds(start_tick)
        return Timeline.from_events(tempos, signatures, duration_s)

    def _signature_at(self, ticks: float) -> SignatureEvent:
        index = bisect_right(self.signature_events, ticks, key=lambda event: event.tick) - 1
        return self.signature_events[max(0, index)]


def _with_ends(events: Sequence[_Event]) -> Iterator[tuple[_Event, float]]:
    """Each event, and the tick at which the next one comes."""
    return zip(events, [*(event.tick for event in events[1:]), math.inf], strict=True)


def _period_us(beats_us: Sequence[float], bpm: float) -> float:
    """Microseconds from beat to beat on average; from the tempo where there are no two beats."""
    if len(beats_us) > 1:
        return (beats_us[-1] - beats_us[0]) / (len(beats_us) - 1)
    if not (math.isfinite(bpm) and bpm > 0.0 and 1.0 <= 60e6 / bpm <= MAX_TEMPO_US):
        raise ValueError(f"MIDI holds no tempo of {bpm} beats a minute")
    return 60e6 / bpm


def _is_even(beats_us: Sequence[float], period_us: float) -> bool:
    """Whether the beats lie on an even spacing that MIDI can hold."""
    return 1.0 <= period_us <= MAX_TEMPO_US and all(
        abs(beats_us[0] + index * period_us - beat) <= EVEN_US for index, beat in enumerate(beats_us)
    )


def _lead_in_beats(lead_in_us: float, period_us: float) -> int:
    """How many beats the stretch before the first beat gets: one, or more where it is long."""
    return max(1, round(lead_in_us / period_us), math.ceil(lead_in_us / MAX_TEMPO_US))


def _even_tempos(beats_us: Sequence[float], period_us: float, duration_s: float) -> tuple[list[TempoEvent], int]:
    """The tempo events of evenly spaced beats, and the tick of the first beat."""
    lead_in_us = beats_us[0]
    lead_in_beats = _lead_in_beats(lead_in_us, period_us)
    snap_us = SNAP_S * 1e6
    if lead_in_us <= snap_us:
        return list(_steady_tempos(0, period_us, duration_s)), 0
    first_tick = lead_in_beats * TICKS_PER_BEAT
    if abs(lead_in_us - lead_in_beats * period_us) <= snap_us:
        return list(_steady_tempos(0, period_us, duration_s)), first_tick
    lead_in = TempoEvent(0, round(lead_in_us / lead_in_beats))
    return [lead_in, *_steady_tempos(first_tick, period_us, duration_s)], first_tick


def _steady_tempos(tick: int, period_us: float, duration_s: float) -> Iterator[TempoEvent]:
    """A constant tempo from `tick` to the end of the audio, in whole microseconds.

    Nearly always one event. Where rounding would add up to more than `DRIFT_LIMIT_US`, the whole microsecond on the
    other side of the period takes over until the error has the same size with the other sign, and so on.
    """
    end_tick = tick + math.ceil(duration_s * 1e6 / period_us) * TICKS_PER_BEAT
    tempo_us = round(period_us)
    error_us = 0.0
    while True:
        yield TempoEvent(tick, tempo_us)
        slip_us = tempo_us - period_us
        room_us = DRIFT_LIMIT_US - math.copysign(1.0, slip_us) * error_us
        beats = math.inf if slip_us == 0.0 else room_us // abs(slip_us)
        if tick + beats * TICKS_PER_BEAT >= end_tick:
            return
        tick += int(beats) * TICKS_PER_BEAT
        error_us += beats * slip_us
        tempo_us = math.floor(period_us) if slip_us > 0.0 else math.ceil(period_us)


def _uneven_tempos(beats_us: Sequence[float], period_us: float) -> tuple[list[TempoEvent], list[int]]:
    """One tempo event for each stretch between two beats, and the ticks of the beats.

    Each tempo aims at the next beat from where the whole microseconds before it really led, so that rounding never adds
    up. A stretch too long for one MIDI tempo gets several beats.
    """
    snapped = beats_us[0] <= SNAP_S * 1e6
    aims_us = ([0.0] if snapped else [0.0, beats_us[0]]) + list(beats_us[1:])
    tempos: list[TempoEvent] = []
    ticks = [0]
    reached_us = 0
    for index, aim_us in enumerate(aims_us[1:]):
        is_lead_in = index == 0 and not snapped
        stretch_us = aim_us - reached_us
        beats = _lead_in_beats(stretch_us, period_us) if is_lead_in else max(1, math.ceil(stretch_us / MAX_TEMPO_US))
        tempo_us = max(1, round(stretch_us / beats))
        tempos.append(TempoEvent(ticks[-1], tempo_us))
        reached_us += tempo_us * beats
        ticks.append(ticks[-1] + beats * TICKS_PER_BEAT)
    return tempos, ticks if snapped else ticks[1:]


def _without_repeats(tempos: Sequence[TempoEvent]) -> list[TempoEvent]:
    """The events that change something."""
    return [
        event
        for index, event in enumerate(tempos)
        if index == 0 or event.us_per_quarter != tempos[index - 1].us_per_quarter
    ]


def _signatures(bar_lines: Sequence[int], time_signature: tuple[int, int]) -> list[SignatureEvent]:
    """Time signatures that put a bar line at each of the ticks `bar_lines`.

    What comes before the first is as many whole bars as fit, after a pick-up bar with the rest. Bars of another length
    between two bar lines get a signature of their own.
    """
    regular = SignatureEvent(0, *time_signature)
    bar_ticks = regular.bar_ticks
    events: list[SignatureEvent] = []
    pick_up_ticks = bar_lines[0] % bar_ticks if bar_lines else 0
    if pick_up_ticks:
        events.append(_bar_of(0, pick_up_ticks, time_signature[1]))
    events.append(regular._replace(tick=pick_up_ticks))
    for start, end in pairwise(bar_lines):
        if (end - start) % bar_ticks:
            odd_start = start + max(0, (end - start) // bar_ticks - 1) * bar_ticks
            events += [_bar_of(odd_start, end - odd_start, time_signature[1]), regular._replace(tick=end)]
    latest = {event.tick: event for event in events}
    in_order = [latest[tick] for tick in sorted(latest)]
    return [event for index, event in enumerate(in_order) if index == 0 or event[1:] != in_order[index - 1][1:]]


def _bar_of(tick: int, length_ticks: int, denominator: int) -> SignatureEvent:
    """A bar of a given length, in the song's own denominator where that divides it."""
    for candidate in (denominator, *_DENOMINATORS):
        numerator, rest = divmod(length_ticks * candidate, 4 * TICKS_PER_BEAT)
        if rest == 0:
            return SignatureEvent(tick, numerator, candidate)
    raise ValueError(f"no time signature has bars of {length_ticks} ticks")
