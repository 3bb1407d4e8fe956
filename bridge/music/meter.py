"""How a bar is felt: its beats, its middle, and how strong each place in it is. Pure; places are ticks in the bar."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache

from bridge.music.timeline import TICKS_PER_BEAT, Timeline

#: Strength of places in a bar, from the bar line down; an eighth off the beat has `EIGHTH`, what is finer less.
BAR, MIDDLE, BEAT, EIGHTH, SIXTEENTH, FINER = 5, 4, 3, 2, 1, 0
_EIGHTH_TICKS = TICKS_PER_BEAT // 2


@dataclass(frozen=True, slots=True)
class Meter:
    """A kind of bar.

    Attributes
    ----------
    numerator, denominator
        The time signature.
    beats
        Where each felt beat begins, and at the end the length of the bar: quarters in 4/4, dotted quarters in 6/8,
        2+2+3 eighths in 7/8.
    middle
        The beat in the middle, where the bar falls into halves of two beats or of three eighths (4/4, 6/8, 12/8), or
        None.
    """

    numerator: int
    denominator: int
    beats: tuple[int, ...]
    middle: int | None

    @property
    def bar_ticks(self) -> int:
        """Length of the bar."""
        return self.beats[-1]

    @property
    def is_compound(self) -> bool:
        """Whether all beats have three eighths."""
        return all(end - start == 3 * _EIGHTH_TICKS for start, end in zip(self.beats[:-1], self.beats[1:], strict=True))

    def beat_of(self, place: int) -> int:
        """Number of the beat in which a place lies, from 0."""
        return min(len(self.beats) - 2, bisect_right(self.beats, place) - 1)

    def strength(self, place: int) -> int:
        """How strong a place is: `BAR` at the bar line, down to `FINER`."""
        if place in (0, self.bar_ticks):
            return BAR
        if place == self.middle:
            return MIDDLE
        beat = self.beats[self.beat_of(place)]
        if place == beat:
            return BEAT
        return next((level for level, ticks in _GRID if (place - beat) % ticks == 0), FINER)


_GRID = ((EIGHTH, _EIGHTH_TICKS), (SIXTEENTH, _EIGHTH_TICKS // 2))


@lru_cache(maxsize=64)
def meter(numerator: int, denominator: int) -> Meter:
    """The meter of a time signature, whose denominator is 2, 4, 8, 16 or 32."""
    unit = 4 * TICKS_PER_BEAT // denominator
    length = numerator * unit
    steps = _beat_lengths(numerator, denominator, unit)
    beats = [0]
    for step in steps:
        beats.append(min(length, beats[-1] + step))
    half = length // 2
    has_halves = half in beats and len(beats) > 2 and half >= 3 * _EIGHTH_TICKS
    return Meter(numerator, denominator, tuple(beats), half if has_halves else None)


def meter_at(timeline: Timeline, tick: int) -> Meter:
    """The meter of the bar that begins at a tick."""
    index = bisect_right(timeline.signature_events, tick, key=lambda event: event.tick) - 1
    _, numerator, denominator = timeline.signature_events[max(0, index)]
    return meter(numerator, denominator)


def _beat_lengths(numerator: int, denominator: int, unit: int) -> list[int]:
    """Ticks of each beat of a bar."""
    if denominator < 8:
        return [TICKS_PER_BEAT] * -(-numerator * unit // TICKS_PER_BEAT)
    if denominator == 8 and numerator % 3 == 0:
        return [3 * unit] * (numerator // 3)
    if denominator == 8 and numerator % 2 and numerator > 3:
        return [2 * unit] * ((numerator - 3) // 2) + [3 * unit]
    return [TICKS_PER_BEAT] * -(-numerator * unit // TICKS_PER_BEAT)
