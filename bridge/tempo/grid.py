"""A beat grid from onset envelopes: one line through all onsets where a tempo holds, traced beats where it does not."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from bridge.model import BeatGrid
from bridge.progress import Progress
from bridge.tempo.bars import find_bars
from bridge.tempo.beats import (
    Line,
    extended,
    fit_line,
    fit_phase,
    leaves_tempo,
    local_periods,
    settle,
    stray_s,
    trace_beats,
)
from bridge.tempo.envelope import Envelopes
from bridge.tempo.pulse import TempoEstimate, estimate_tempo, onsets_of

Array = NDArray[np.float64]

#: A tempo is constant when 90 % of the beats stay this close to one line: half a 32nd note at 120 BPM, which good
#: players keep to a click (they scatter by 10 to 20 ms), and which leaves sixteenths on their side of the grid.
CONSTANT_WITHIN_S = 0.030
#: Most music that holds a tempo was made to a whole number of beats a minute. Where the nearest one moves no beat by
#: more than this, it is the tempo; and where the first beat comes this close to the start, it is the start. Both are
#: less than beats are known to.
TIDY_WITHIN_S = 0.005
#: The tempo that stands in where none is found: MIDI's default.
DEFAULT_BPM = 120.0


def find_beats(envelopes: list[Envelopes], bpm: float | None, progress: Progress) -> BeatGrid:
    """The beat grid of a mix's envelopes, followed by its drums' where known."""
    onsets, duration_s = onsets_of(envelopes), envelopes[0].duration_s
    progress.check()
    estimate = estimate_tempo(onsets)
    if estimate is None:
        return grid_without_pulse(duration_s, bpm)
    if bpm is not None:
        line = _started(fit_phase(onsets, bpm, progress))
        return _grid(line.beats_s(duration_s), bpm, envelopes, estimate, is_given=True)
    line = fit_line(onsets, estimate.bpm, progress)
    local = local_periods(onsets, estimate.bpm)
    progress.check()
    if not leaves_tempo(local, line, onsets.fps):
        steady = np.full(len(onsets.strength), line.period_s * onsets.fps)
        traced_s = trace_beats(onsets, steady, progress.part(0.0, 0.5))
        if stray_s(traced_s, line, onsets) <= CONSTANT_WITHIN_S:
            line = _started(_tidied(line, duration_s))
            return _grid(line.beats_s(duration_s), 60.0 / line.period_s, envelopes, estimate)
    traced_s = trace_beats(onsets, local, progress.part(0.5, 1.0))
    beats_s = extended(settle(traced_s, onsets), duration_s)
    return _grid(beats_s, float(60.0 / np.median(np.diff(beats_s))), envelopes, estimate, is_constant=False)


def _grid(
    beats_s: Array,
    bpm: float,
    envelopes: list[Envelopes],
    estimate: TempoEstimate,
    *,
    is_constant: bool = True,
    is_given: bool = False,
) -> BeatGrid:
    """The beat grid of beats whose bars are yet to be found."""
    bars = find_bars(beats_s, envelopes[0], envelopes[1] if len(envelopes) > 1 else None)
    beats = tuple(map(float, beats_s))
    others = (estimate.bpm, *estimate.alternatives_bpm) if is_given else estimate.alternatives_bpm
    exact = bpm / estimate.bpm if not is_given else 1.0
    return BeatGrid(
        bpm=round(bpm, 3) if not is_given else bpm,
        beats_s=beats,
        downbeats_s=beats[bars.first_downbeat :: bars.beats_per_bar],
        time_signature=bars.time_signature,
        is_constant=is_constant,
        confidence=1.0 if is_given else round(estimate.confidence, 3),
        alternatives_bpm=tuple(round(other * exact, 2) for other in others),
        source="given" if is_given else "detected",
    )


def grid_without_pulse(duration_s: float, bpm: float | None) -> BeatGrid:
    """Beats and 4/4 bars from the start, for want of better."""
    tempo = bpm if bpm is not None else DEFAULT_BPM
    beats = tuple(index * 60.0 / tempo for index in range(math.ceil(duration_s * tempo / 60.0)))
    if bpm is not None:
        return BeatGrid(tempo, beats, beats[::4], confidence=1.0, source="given")
    return BeatGrid(tempo, beats, beats[::4])


def _tidied(line: Line, duration_s: float) -> Line:
    """The line at a whole number of beats a minute, where no beat moves by more than `TIDY_WITHIN_S`."""
    period_s = 60.0 / max(1.0, round(60.0 / line.period_s))
    moves_s = abs(period_s - line.period_s) * duration_s / line.period_s / 2.0
    return line.with_period(period_s, duration_s / 2.0) if moves_s <= TIDY_WITHIN_S else line


def _started(line: Line) -> Line:
    """The line from 0 on, where it has a beat within `TIDY_WITHIN_S` of 0."""
    from_start_s = (line.first_s + line.period_s / 2.0) % line.period_s - line.period_s / 2.0
    return Line(0.0, line.period_s) if abs(from_start_s) <= TIDY_WITHIN_S else line
