"""How loud a part sounds, as control change 11 ("expression"), which General MIDI has for dynamics. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bridge.model import Note

#: Levels a second that a curve is made of: a tremolo, at up to 8 Hz, has five to a swing.
RATE_HZ = 40.0
#: The level that plays at full expression, as a percentile of the levels while notes sound: a single accent must not
#: press down all the rest.
FULL_PERCENTILE = 95.0
#: Levels that a curve looks ahead: 75 ms, so that a note begins as loud as its attack becomes, and isn't faded in.
LOOK_AHEAD = 3
#: The lowest value, 24 dB below full: no note that was found falls silent.
LEAST = 32
#: A change of fewer steps is left out: at full expression that is 0.4 dB, where listeners tell 1 dB apart.
GRAIN = 3
#: A shorter pause isn't one.
PAUSE_S = 0.05


class ControlPoint(NamedTuple):
    """From `seconds` on, the control has `value` (0 to 127)."""

    seconds: float
    value: int


def expression_curve(levels_db: NDArray[np.float32], notes: Iterable[Note]) -> tuple[ControlPoint, ...]:
    """The loudness of a stem while its notes sound, ascending, from 0 s on; empty without notes.

    Values follow General MIDI's curve: 40 log10(value / 127) dB. In a pause the control goes, half-way, to where it is
    when the next note begins, so that a note that was moved a little early has its own loudness.

    Parameters
    ----------
    levels_db
        Of the stem, shape (levels,), `RATE_HZ` a second, dB; -inf for silence.
    notes
        As detected, in any order.
    """
    spans = list(_spans(notes))
    if not spans or not len(levels_db):
        return ()
    ahead = _peaks_ahead(levels_db)
    frames = [_frames(span, len(ahead)) for span in spans]
    heard = np.concatenate([ahead[first:last] for first, last in frames])
    full_db = np.percentile(heard[np.isfinite(heard)], FULL_PERCENTILE) if np.isfinite(heard).any() else 0.0
    values = np.clip(np.rint(127.0 * 10.0 ** ((ahead - full_db) / 40.0)), LEAST, 127).astype(int)
    points: list[ControlPoint] = []
    paused_s = 0.0
    for (start_s, end_s), (first, last) in zip(spans, frames, strict=True):
        entry_s = (paused_s + start_s) / 2.0 if points else 0.0
        points += _thinned(entry_s, start_s, values[first:last].tolist(), first, points[-1].value if points else -GRAIN)
        paused_s = end_s
    return tuple(points)


def between(curve: Sequence[ControlPoint], start_s: float, end_s: float) -> tuple[ControlPoint, ...]:
    """What a curve is from one time to another, counted from the former."""
    before = [point.value for point in curve if point.seconds <= start_s]
    inside = [ControlPoint(at_s - start_s, value) for at_s, value in curve if start_s < at_s < end_s]
    return (*(ControlPoint(0.0, value) for value in before[-1:]), *inside)


def _spans(notes: Iterable[Note]) -> Iterator[tuple[float, float]]:
    """When anything sounds, as (start, end) seconds, in order."""
    start_s = end_s = -1.0
    for note in sorted(notes):
        if start_s >= 0.0 and note.onset_s > end_s + PAUSE_S:
            yield start_s, end_s
            start_s = -1.0
        start_s = note.onset_s if start_s < 0.0 else start_s
        end_s = max(end_s, note.offset_s)
    if start_s >= 0.0:
        yield start_s, end_s


def _peaks_ahead(levels_db: NDArray[np.float32]) -> NDArray[np.float32]:
    """The highest of each level and the next ones."""
    padded = np.concatenate([levels_db, np.full(LOOK_AHEAD - 1, -np.inf, dtype=np.float32)])
    peaks: NDArray[np.float32] = np.lib.stride_tricks.sliding_window_view(padded, LOOK_AHEAD).max(axis=1)
    return peaks


def _frames(span: tuple[float, float], count: int) -> tuple[int, int]:
    """The levels of a span, as (first, behind the last); at least one."""
    first = min(int(span[0] * RATE_HZ), count - 1)
    return first, max(first + 1, min(int(span[1] * RATE_HZ), count))


def _thinned(entry_s: float, start_s: float, values: Sequence[int], first: int, before: int) -> Iterator[ControlPoint]:
    """The values of one span that change something; the first at `entry_s`, before the span's start."""
    for index, value in enumerate(values):
        if abs(value - before) >= GRAIN:
            yield ControlPoint(max(start_s, (first + index) / RATE_HZ) if index else entry_s, value)
            before = value
