"""`OnsetBeatTracker`: tempo, beats and bars from where sounds begin, without a trained model."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from bridge.audio.file import AudioFile
from bridge.model import BeatGrid, EngineId
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
from bridge.tempo.envelope import Envelopes, measure_envelopes
from bridge.tempo.pulse import TempoEstimate, estimate_tempo, fine_strength, onset_strength

Array = NDArray[np.float64]

#: A tempo is constant when 90 % of the beats stay this close to one line: half a 32nd note at 120 BPM, which good
#: players keep to a click (they scatter by 10 to 20 ms), and which leaves sixteenths on their side of the grid.
CONSTANT_WITHIN_S = 0.030
#: Most music that holds a tempo was made to a whole number of beats a minute. Where the nearest one moves no beat by
#: more than this, it is the tempo; and where the first beat comes this close to the start, it is the start. Both are
#: less than beats are known to.
TIDY_WITHIN_S = 0.005
#: Shorter recordings have no tempo to speak of.
MIN_DURATION_S = 2.0
#: The tempo that stands in where none is found: MIDI's default.
DEFAULT_BPM = 120.0


class OnsetBeatTracker:
    """Finds tempo, beats and bars by the regularity of onsets.

    The tempo is the one at which onsets come again most regularly, weighed by which tempos listeners prefer. A line is
    fitted through all onsets at once; where traced beats leave it, the beats themselves make a tempo map. Bars come
    from accents and harmony.
    """

    @property
    def identity(self) -> EngineId:
        """Name and version of the method."""
        return EngineId("onset-beats", "1")

    def track(self, mix: AudioFile, drums: AudioFile | None, bpm: float | None, progress: Progress) -> BeatGrid:
        """The beat grid of `mix`, helped by its `drums` stem where there is one.

        A given `bpm` replaces the tempo, not the phase: the beats lie where at that tempo they meet the most onsets.
        Without a pulse (silence, a drone, less than 2 s) the beats count from 0, with confidence 0 where no tempo was
        given.
        """
        if mix.duration_s < MIN_DURATION_S:
            return _grid_without_pulse(mix.duration_s, bpm)
        sources = [mix] if drums is None else [mix, drums]
        share = 0.8 / len(sources)
        envelopes = [
            measure_envelopes(source, progress.part(index * share, (index + 1) * share))
            for index, source in enumerate(sources)
        ]
        grid = find_beats(envelopes, bpm, progress.part(0.8, 1.0))
        progress.at(1.0)
        return grid


def find_beats(envelopes: list[Envelopes], bpm: float | None, progress: Progress) -> BeatGrid:
    """The beat grid of a mix's envelopes, followed by its drums' where known."""
    strength, fps = onset_strength(envelopes), envelopes[0].coarse_fps
    fine, fine_fps = fine_strength(envelopes), envelopes[0].fine_fps
    duration_s = envelopes[0].duration_s
    estimate = estimate_tempo(strength, fps)
    if estimate is None:
        return _grid_without_pulse(duration_s, bpm)
    if bpm is not None:
        line = fit_phase(strength, fps, fine, fine_fps, bpm)
        return _grid(_started(line).beats_s(duration_s), bpm, envelopes, estimate, is_given=True)
    line = fit_line(strength, fps, fine, fine_fps, estimate.bpm)
    steady, local = np.full(len(strength), line.period_s * fps), local_periods(strength, fps, estimate.bpm)
    if not leaves_tempo(local, line, fps):
        traced_s = trace_beats(strength, fps, steady, progress.part(0.0, 0.5))
        if stray_s(traced_s, line, strength, fps) <= CONSTANT_WITHIN_S:
            line = _started(_tidied(line, duration_s))
            return _grid(line.beats_s(duration_s), 60.0 / line.period_s, envelopes, estimate)
    traced_s = trace_beats(strength, fps, local, progress.part(0.5, 1.0))
    beats_s = extended(settle(traced_s, fine, fine_fps), duration_s)
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


def _grid_without_pulse(duration_s: float, bpm: float | None) -> BeatGrid:
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
