"""A song cut at bar lines into segments of so many bars: loops, and the places to jump to. Pure."""

from __future__ import annotations

from typing import NamedTuple

from bridge.music.timeline import SNAP_S, Bar, Timeline


class Segment(NamedTuple):
    """Some whole bars.

    Attributes
    ----------
    first_bar, last_bar
        Numbers of its first and last bar. Bars count from 1; a pick-up bar is number 0, as in print.
    start_tick, end_tick
        Where it begins and ends: bar lines.
    start_s, end_s
        The same in seconds; the end of the last one may lie beyond the audio's.
    """

    first_bar: int
    last_bar: int
    start_tick: int
    end_tick: int
    start_s: float
    end_s: float

    @property
    def name(self) -> str:
        """Such as ``bars-001-008``; ``bars-000-000`` for a pick-up bar."""
        return f"bars-{self.first_bar:03d}-{self.last_bar:03d}"


def segments(timeline: Timeline, bars: int = 8) -> list[Segment]:
    """The song from start to end in segments of `bars` bars; a pick-up bar is one by itself, the last may be shorter.

    Parameters
    ----------
    timeline
        Where the bars are.
    bars
        1 or more.

    Raises
    ------
    ValueError
        If `bars` is less than 1.
    """
    if bars < 1:
        raise ValueError(f"a segment has 1 bar or more, not {bars}")
    lines = _audible_bars(timeline)
    pick_up = int(has_pick_up(timeline))
    starts = [0] * pick_up + list(range(pick_up, len(lines), bars))
    ends = [*starts[1:], len(lines)]
    return [
        Segment(
            first_bar=first + 1 - pick_up,
            last_bar=end - pick_up,
            start_tick=lines[first].start_tick,
            end_tick=lines[end - 1].end_tick,
            start_s=lines[first].start_s,
            end_s=lines[end - 1].end_s,
        )
        for first, end in zip(starts, ends, strict=True)
    ]


def has_pick_up(timeline: Timeline) -> bool:
    """Whether the first bar is shorter than those that follow."""
    signatures = timeline.signature_events
    if len(signatures) == 1:
        return False
    first, second = signatures[:2]
    return second.tick == first.tick + first.bar_ticks and first.bar_ticks < second.bar_ticks


def _audible_bars(timeline: Timeline) -> list[Bar]:
    """The bars but for a last one of which less can be heard than a listener would miss."""
    bars = timeline.bars()
    while len(bars) > 1 and bars[-1].start_s > timeline.duration_s - SNAP_S:
        bars.pop()
    return bars
