"""Beat arithmetic of Live's clips: which second of the file sounds at which beat of the clip, and what of it is heard.

Pure. Three rulers meet here:

* *file seconds*: seconds from the start of the audio file;
* *clip beats*: quarter notes on the clip's own ruler, on which its markers and loop are given (of an unwarped clip,
  which has no ruler, quarter notes from its left edge);
* *beats of the new clip*: where a note goes that is to be inserted, see `Layout`.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count, islice, pairwise
from typing import NamedTuple

from bridge.errors import InvalidRequest

#: Markers closer than this on the file's ruler are one marker twice (s): a twentieth of a sample at 48 kHz.
SAME_PLACE_S = 1e-6
#: Beats a second that a segment may have, 0.5 to 10,000 BPM: Live's own limits (5 to 999) with room for its hidden
#: marker, whose numbers are small. Beyond them is damage, in which times would lose their meaning.
SLOWEST, FASTEST = 0.5 / 60.0, 10_000.0 / 60.0
#: Beats that differ by less are the same: a hundredth of a tick.
SAME_BEAT = 2e-5


@dataclass(frozen=True, slots=True)
class WarpMap:
    """File seconds to clip beats and back: straight between neighbouring points, and on beyond the first and last.

    Attributes
    ----------
    seconds, beats
        The points, at least two, both strictly ascending.
    """

    seconds: tuple[float, ...]
    beats: tuple[float, ...]

    @classmethod
    def from_markers(cls, markers: Iterable[tuple[float, float]]) -> WarpMap:
        """The map of a warped clip.

        Parameters
        ----------
        markers
            (file seconds, clip beats) in any order, the hidden last one among them, which gives the tempo after the
            last visible one. Of several at one place the first in order of beats counts.

        Raises
        ------
        InvalidRequest
            If fewer than two are left, or the beats don't ascend with the seconds at a tempo that Live can play.
        """
        points: list[tuple[float, float]] = []
        for second, beat in sorted(markers):
            if not points or second - points[-1][0] > SAME_PLACE_S:
                points.append((second, beat))
        if len(points) < 2:
            raise InvalidRequest(
                "Live told of fewer than two warp markers of this clip: switch Warp off and on, then convert again"
            )
        for (second, beat), (next_second, next_beat) in pairwise(points):
            if not SLOWEST <= (next_beat - beat) / (next_second - second) <= FASTEST:
                raise InvalidRequest(
                    f"the warp markers at {second:.3f} s and {next_second:.3f} s make no tempo that Live can play: "
                    "delete one of them, then convert again"
                )
        return cls(tuple(second for second, _ in points), tuple(beat for _, beat in points))

    @classmethod
    def at_tempo(cls, tempo_bpm: float, *, start_s: float = 0.0, speed: float = 1.0) -> WarpMap:
        """The map of an unwarped clip, `speed` times as fast as its file, whose left edge is at `start_s` of that."""
        seconds_per_beat = speed * 60.0 / tempo_bpm
        return cls((start_s, start_s + seconds_per_beat), (0.0, 1.0))

    def beat(self, second: float) -> float:
        """The clip beat at which a second of the file sounds."""
        index = self._segment(self.seconds, second)
        return _between(self.seconds, self.beats, index, second)

    def second(self, beat: float) -> float:
        """The second of the file that sounds at a clip beat; before the file's start it is negative."""
        index = self._segment(self.beats, beat)
        return _between(self.beats, self.seconds, index, beat)

    def seconds_per_beat(self, beat: float) -> float:
        """How much of the file, in seconds, a beat takes at a place."""
        index = self._segment(self.beats, beat)
        return (self.seconds[index + 1] - self.seconds[index]) / (self.beats[index + 1] - self.beats[index])

    @staticmethod
    def _segment(ruler: tuple[float, ...], place: float) -> int:
        """Index of the point that begins the segment in which a place lies, or which is drawn out to it."""
        return min(max(0, bisect_right(ruler, place) - 1), len(ruler) - 2)


def _between(source: tuple[float, ...], target: tuple[float, ...], index: int, place: float) -> float:
    slope = (target[index + 1] - target[index]) / (source[index + 1] - source[index])
    return target[index] + (place - source[index]) * slope


class Span(NamedTuple):
    """Clip beats `start` to `end` that sound in one go, from beat `at` of the new clip on."""

    start: float
    end: float
    at: float


def unrolled(start: float, length: float, loop: tuple[float, float] | None) -> Iterator[Span]:
    """What is heard of a clip that plays for `length` beats from clip beat `start` on, piece by piece, without gap.

    Parameters
    ----------
    start
        Clip beat at which it begins.
    length
        For how many beats it plays; may be infinite for a loop.
    loop
        (start, end) in clip beats, or None. From its end playback jumps to its start; a clip that begins at or after
        the loop's end never comes there and plays on.

    Yields
    ------
    Span
        In order of `at`, which begins at 0.
    """
    if loop is None or start >= loop[1]:
        yield Span(start, start + length, 0.0)
        return
    loop_start, loop_end = loop
    yield Span(start, min(loop_end, start + length), 0.0)
    for turn in count():
        at = loop_end - start + turn * (loop_end - loop_start)
        if at >= length:
            return
        yield Span(loop_start, min(loop_end, loop_start + length - at), at)


@dataclass(frozen=True, slots=True)
class Layout:
    """How a new clip is laid out, so that it sounds what the source clip does.

    Attributes
    ----------
    spans
        Which clip beats of the source lie where in the new clip; what is in none of them is not heard.
    length
        Length with which to make it, in beats.
    start_marker, end_marker
        Where it begins and ends, in its own beats.
    loop
        (start, end) of its loop in its own beats, or None.
    """

    spans: tuple[Span, ...]
    length: float
    start_marker: float
    end_marker: float
    loop: tuple[float, float] | None

    @property
    def heard(self) -> tuple[float, float]:
        """The lowest and highest clip beat of the source that is heard."""
        return min(span.start for span in self.spans), max(span.end for span in self.spans)


def same_ruler(start: float, end: float, loop: tuple[float, float] | None, bar: float) -> Layout:
    """The layout of a Session clip: the source's own ruler, with the same markers and loop.

    Where that would reach below beat 0, which not every version of Live takes for notes, all of it moves up by whole
    bars, so that bar lines stay bar lines.

    Parameters
    ----------
    start, end
        The source's start and end marker in clip beats. With a loop that is reached, the end marker isn't heard.
    loop
        Its loop in clip beats, or None.
    bar
        Length of a bar in beats.
    """
    if loop is not None and start < loop[1]:
        heard = (min(start, loop[0]), loop[1])
    else:
        heard, loop = (start, end), None
    if not heard[0] + SAME_BEAT < heard[1]:
        raise InvalidRequest(_NOTHING_PLAYED)
    up = bar * math.ceil(max(0.0, -heard[0]) / bar)
    highest = max(end, heard[1])
    return Layout(
        spans=(Span(*heard, heard[0] + up),),
        length=highest + up,
        start_marker=start + up,
        end_marker=max(end, start + SAME_BEAT) + up,
        loop=None if loop is None else (loop[0] + up, loop[1] + up),
    )


def from_left_edge(start: float, length: float, loop: tuple[float, float] | None) -> Layout:
    """The layout of an Arrangement clip: beat 0 is its left edge, where clip beat `start` sounds.

    A loop is written out once and then repeats in the new clip as well: the new loop is as long as the source's, and
    begins at its left edge where that lies within the loop, else where the loop begins.

    Parameters
    ----------
    start
        Clip beat at the left edge.
    length
        How long the clip is, in beats.
    loop
        The source's loop in clip beats, or None.
    """
    if not SAME_BEAT < length < math.inf:
        raise InvalidRequest(_NOTHING_PLAYED)
    turn = None if loop is None or start >= loop[1] else _turn_in_new_clip(start, loop)
    if turn is not None and turn[1] >= length - SAME_BEAT:
        turn = None  # the clip ends before anything repeats
    written = length if turn is None else turn[1]
    # Before the first repeat there are no more than the stretch up to the loop's end and one turn.
    spans = tuple(span for span in islice(unrolled(start, written, loop), 2) if span.end - span.start > SAME_BEAT)
    return Layout(spans=spans, length=length, start_marker=0.0, end_marker=length, loop=turn)


def _turn_in_new_clip(start: float, loop: tuple[float, float]) -> tuple[float, float]:
    """The beats after the left edge that repeat from then on."""
    lead_in = max(0.0, loop[0] - start)
    return lead_in, lead_in + loop[1] - loop[0]


_NOTHING_PLAYED = (
    "the clip plays nothing of its file: its end is not after its start; move its markers, then convert again"
)
