"""A rhythm as it is written: note values, dots, rests, ties, beams and triplets, bar by bar. Pure; places are ticks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal, NamedTuple

from bridge.music.meter import Meter
from bridge.music.rhythm import BarFrame, Span
from bridge.music.timeline import TICKS_PER_BEAT

Beam = Literal["begin", "continue", "end", "forward hook", "backward hook"]
Tuplet = Literal["", "start", "inside", "stop"]


class Value(NamedTuple):
    """A note value: MusicXML's name for it, dots, flags."""

    kind: str
    dots: int
    flags: int


_PLAIN = (("whole", 0), ("half", 0), ("quarter", 0), ("eighth", 1), ("16th", 2), ("32nd", 3), ("64th", 4))
#: By length in ticks.
VALUES: dict[int, Value] = {
    length: Value(kind, dots, flags)
    for index, (kind, flags) in enumerate(_PLAIN)
    for dots, length in enumerate(((4 * TICKS_PER_BEAT) >> index, (6 * TICKS_PER_BEAT) >> index))
}
#: In a triplet, where three are as long as two.
TRIPLET_VALUES: dict[int, Value] = {length * 2 // 3: value for length, value in VALUES.items() if not value.dots}
#: What a beat is searched for places to divide it at: the shortest plain value.
_FINEST = (4 * TICKS_PER_BEAT) >> (len(_PLAIN) - 1)


@dataclass(frozen=True, slots=True)
class Symbol:
    """A note, chord or rest as written.

    Attributes
    ----------
    start, ticks
        Place in the bar, and length.
    pitches
        Ascending; empty for a rest.
    onset
        Tick of the song at which the note began that this is, or is a part of; for rests 0.
    value
        Its note value; None for a rest that fills the bar, whatever its length.
    is_tied
        Whether it continues the symbol before it, and whether the one after continues it.
    beams
        From the outermost; none for flags and for what has none.
    tuplet
        Its place in a triplet, if it is in one.
    """

    start: int
    ticks: int
    pitches: tuple[int, ...]
    onset: int = 0
    value: Value | None = None
    is_tied: tuple[bool, bool] = (False, False)
    beams: tuple[Beam, ...] = ()
    tuplet: Tuplet = ""


def written(spans: Sequence[Span], bars: Sequence[BarFrame], triplets: frozenset[int]) -> list[list[Symbol]]:
    """A voice as symbols, bar by bar; bars without notes hold one rest.

    Parameters
    ----------
    spans
        In order, none overlapping, within the bars.
    bars
        All bars, ascending, without gaps.
    triplets
        First ticks of the beats divided in three.
    """
    measures = []
    place = 0
    for bar in bars:
        while place < len(spans) and spans[place].end <= bar.start:
            place += 1
        inside = []
        for span in spans[place:]:
            if span.start >= bar.end:
                break
            inside.append(span)
        measures.append(
            _measure(inside, bar, frozenset(tick - bar.start for tick in triplets if bar.start <= tick < bar.end))
        )
    return measures


def _measure(spans: Sequence[Span], bar: BarFrame, triplets: frozenset[int]) -> list[Symbol]:
    """One bar of a voice; `triplets` count from its bar line."""
    if not spans:
        return [Symbol(0, bar.meter.bar_ticks, ())]
    symbols: list[Symbol] = []
    reached = 0
    for span in spans:
        start, end = max(0, span.start - bar.start), min(bar.meter.bar_ticks, span.end - bar.start)
        symbols += [Symbol(*piece, ()) for piece in _pieces(reached, start, bar.meter, triplets, is_rest=True)]
        pieces = _pieces(start, end, bar.meter, triplets, is_rest=False)
        symbols += [
            Symbol(
                begin,
                ticks,
                span.pitches,
                span.start,
                is_tied=(bar.start + begin > span.start, bar.start + begin + ticks < span.end),
            )
            for begin, ticks in pieces
        ]
        reached = end
    rest = _pieces(reached, bar.meter.bar_ticks, bar.meter, triplets, is_rest=True)
    symbols += [Symbol(*piece, ()) for piece in rest]
    return _beamed(_valued(symbols, bar.meter, triplets), bar.meter)


def _pieces(start: int, end: int, meter: Meter, triplets: frozenset[int], *, is_rest: bool) -> list[tuple[int, int]]:
    """A stretch of a bar as (place, length) of note values that let the reader see the beats."""
    if start >= end:
        return []
    cut = _cut(start, end, meter, triplets, is_rest=is_rest)
    if cut is None:
        return [(start, end - start)]
    return [
        *_pieces(start, cut, meter, triplets, is_rest=is_rest),
        *_pieces(cut, end, meter, triplets, is_rest=is_rest),
    ]


def _cut(start: int, end: int, meter: Meter, triplets: frozenset[int], *, is_rest: bool) -> int | None:
    """Where to divide a stretch; None where one note value can stand for it."""
    first, last = meter.beat_of(start), meter.beat_of(end - 1)
    if first == last:
        return _cut_in_beat(start, end, meter, triplets, is_rest=is_rest)
    for beat in (first, last):  # triplets don't reach over their beat
        low, high = meter.beats[beat], meter.beats[beat + 1]
        if low in triplets and (start > low or end < high):
            edge = high if beat == first and start > low else low
            if start < edge < end:
                return edge
    strongest = max(
        meter.beats[first + 1 : last + 1], key=lambda beat: (meter.strength(beat), -abs(2 * beat - start - end))
    )
    length = end - start
    from_strength, at_strength = meter.strength(start), meter.strength(strongest)
    if length not in VALUES or (meter.is_compound and {start, end} - set(meter.beats)):
        return strongest
    if is_rest:
        is_plain = start % length == 0 and not VALUES[length].dots
        return None if is_plain or meter.is_compound else strongest
    is_syncope = from_strength + 1 == at_strength and end - strongest == strongest - start
    return None if at_strength <= from_strength or is_syncope else strongest


def _cut_in_beat(start: int, end: int, meter: Meter, triplets: frozenset[int], *, is_rest: bool) -> int | None:
    """The same within a beat."""
    beat = meter.beats[meter.beat_of(start)]
    length = end - start
    if beat in triplets and length < TICKS_PER_BEAT:
        return None
    fits = length in VALUES and not (is_rest and VALUES[length].dots and not (meter.is_compound and start == beat))
    if fits:
        return None
    inside = range(start - (start - beat) % _FINEST + _FINEST, end, _FINEST)
    strongest = max(inside, key=meter.strength)
    return strongest if meter.strength(strongest) else start + max(value for value in VALUES if value < length)


def _valued(symbols: Iterable[Symbol], meter: Meter, triplets: frozenset[int]) -> list[Symbol]:
    """The symbols with their note values, and their places in triplets."""
    valued = []
    for beat, run in groupby(symbols, key=lambda symbol: meter.beats[meter.beat_of(symbol.start)]):
        inside = list(run)
        if beat not in triplets or inside[0].ticks >= TICKS_PER_BEAT:
            valued += [replace(symbol, value=VALUES[symbol.ticks]) for symbol in inside]
            continue
        for symbol in inside:
            is_last = symbol.start + symbol.ticks == beat + TICKS_PER_BEAT
            tuplet: Tuplet = "start" if symbol.start == beat else "stop" if is_last else "inside"
            valued.append(replace(symbol, value=TRIPLET_VALUES[symbol.ticks], tuplet=tuplet))
    return valued


def _beamed(symbols: Sequence[Symbol], meter: Meter) -> list[Symbol]:
    """The symbols with their beams: one for each beat, or for half a 4/4 bar of eighths."""
    beamed: list[Symbol] = []
    for _, run in groupby(symbols, key=lambda symbol: _beam_group(symbol, symbols, meter)):
        group = list(run)
        for has_flags, stretch in groupby(group, key=lambda symbol: bool(symbol.pitches and _flags(symbol))):
            notes = list(stretch)
            if has_flags and len(notes) > 1:
                flags = [_flags(symbol) for symbol in notes]
                beamed += [replace(symbol, beams=_beams(flags, index)) for index, symbol in enumerate(notes)]
            else:
                beamed += notes
    return beamed


def _flags(symbol: Symbol) -> int:
    return symbol.value.flags if symbol.value else 0


def _beam_group(symbol: Symbol, symbols: Sequence[Symbol], meter: Meter) -> int:
    """What a symbol may be beamed with, as a number."""
    beat = meter.beat_of(symbol.start)
    if meter.middle is None or meter.is_compound:
        return beat
    half = range(0, meter.middle) if symbol.start < meter.middle else range(meter.middle, meter.bar_ticks)
    is_plain = all(other.ticks == TICKS_PER_BEAT // 2 and other.pitches for other in symbols if other.start in half)
    return -1 - (half.start > 0) if is_plain else beat


def _beams(flags: Sequence[int], index: int) -> tuple[Beam, ...]:
    """The beams of one of several notes beamed together, from the outermost."""

    def beam(level: int) -> Beam:
        before = index > 0 and flags[index - 1] >= level
        after = index + 1 < len(flags) and flags[index + 1] >= level
        if before and after:
            return "continue"
        if before or after:
            return "end" if before else "begin"
        return "forward hook" if index == 0 else "backward hook"

    return tuple(beam(level) for level in range(1, flags[index] + 1))
