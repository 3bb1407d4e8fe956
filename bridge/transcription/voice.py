"""Notes of a part that sounds one at a time: the likeliest single line through the evidence, as a whole.

Each instant is one pitch or a rest. A pitch is worth its evidence (as log-odds) at every instant, a rest is worth the
profile's threshold, and each change costs the same; the line worth most is found by dynamic programming (Viterbi).
Ghosts an octave away lose to the line they accompany, short drop-outs are bridged, vibrato does not break a note. A
note is then cut where it is struck again.

Measured against basic-pitch's own note creation on the same posteriors: bass stems F 0.66 to 0.79, a bass
in the mix 0.25 to 0.48, a singer 0.38 to 0.75.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bridge.transcription.bend import contour_of
from bridge.transcription.frames import (
    CONTOUR_BINS,
    LOWEST_PITCH,
    PITCHES,
    Evidence,
    Found,
    Matrix,
    described,
    frames_of,
)
from bridge.transcription.profiles import Profile

_DOUBT = 0.02  # no posterior is nearer to 0 or 1 than this: a single instant may cost or earn about 4 nats
_OCTAVE_COST_FROM = 40  # E2, the octave of a bass guitar's lowest string
_SMOOTHING = 1.0  # semitones, standard deviation: the width of a sung note (pYIN's note model uses 0.8)
_PITCH_REACH = 5  # bins: periods further than 1.7 semitones from the line are not the note's
_ONSET_EARLIER, _ONSET_LATER = 3, 5  # frames (35 and 58 ms) about a change of the line in which its onset is looked for
_RESTRIKE_FRAMES = 7  # 80 ms: a note is not struck again sooner (a sixteenth at 180 BPM)


class Voice:
    """Finds the notes of a single voice, as one profile asks."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        semitones = 12.0 * np.log2(np.array([profile.min_hz, profile.max_hz]) / 440.0) + 69.0
        low, high = (round(float(pitch)) - LOWEST_PITCH for pitch in semitones)
        bins_a_semitone = CONTOUR_BINS if profile.periodicity > 0.0 else 1
        step = CONTOUR_BINS // bins_a_semitone
        #: The contour bin of each state of the line.
        self._bins = np.arange(
            max(0, low) * CONTOUR_BINS, min(PITCHES, high + 1) * CONTOUR_BINS - CONTOUR_BINS + 1, step
        )

    def __call__(self, known: Evidence, sounding: Collection[int]) -> list[Found]:
        """Notes of one stretch in order, none overlapping; what sounds from before it needs no telling."""
        if not len(known):
            return []
        salience = self._salience(known)
        line = _likeliest_line(
            self._worth(salience), float(_log_odds(self._profile.frame_threshold)), self._profile.steadiness
        )
        return [
            replace(note, bend=contour_of(known, note))
            for start, end, pitch in self._steady(known, line)
            for note in self._struck(known, start, end, pitch)
        ]

    def _salience(self, known: Evidence) -> NDArray[np.float64]:
        """How probable each state is in each frame, 0 to 1."""
        note = known.note[:, np.rint(self._bins / CONTOUR_BINS).astype(np.intp).clip(0, PITCHES - 1)].astype(np.float64)
        weight = self._profile.periodicity
        if weight == 0.0:
            return note
        return (1.0 - weight) * note + weight * _smoothed(known.period)[:, self._bins]

    def _worth(self, salience: NDArray[np.float64]) -> NDArray[np.float64]:
        above = np.maximum(0.0, self._bins / CONTOUR_BINS + LOWEST_PITCH - _OCTAVE_COST_FROM) / 12.0
        return np.asarray(_log_odds(salience) - self._profile.octave_cost * above)

    def _steady(self, known: Evidence, line: NDArray[np.intp]) -> list[tuple[int, int, int]]:
        """(start, end, MIDI pitch) of each stretch of one semitone: drifting within it does not break a note."""
        steady: list[tuple[int, int, int]] = []
        for start, end, state in _runs(line, rest=len(self._bins)):
            pitch = _pitch(known.period[start:end], int(self._bins[state]))
            if steady and steady[-1][1:] == (start, pitch):
                start = steady.pop()[0]
            steady.append((start, end, pitch))
        return steady

    def _struck(self, known: Evidence, start: int, end: int, pitch: int) -> Iterator[Found]:
        """One note for each time that a stretch of steady pitch is struck, long enough to be one."""
        start = self._onset(known, start, end, pitch - LOWEST_PITCH)
        cuts = [start, *self._restrikes(known, start, end, pitch - LOWEST_PITCH), end]
        for first, last in pairwise(cuts):
            if last - first >= frames_of(self._profile.min_note_ms):
                yield described(known, first, last, pitch)

    def _onset(self, known: Evidence, start: int, end: int, key: int) -> int:
        """The frame near `start` at which the onset posterior is highest, where it is high enough.

        The posteriors of low notes are smeared, so that the line changes early; where periods are heard too it does
        not.
        """
        first = max(0, start - _ONSET_EARLIER)
        onset = known.onset[first : min(end - 1, start + _ONSET_LATER + 1), key]
        if self._profile.periodicity > 0.0 or not len(onset) or onset.max() < self._profile.onset_threshold:
            return start
        return first + int(onset.argmax())

    def _restrikes(self, known: Evidence, start: int, end: int, key: int) -> list[int]:
        """Frames within `start` to `end` at which the onset posterior peaks high enough."""
        near = slice(max(0, key - 1), key + 2) if self._profile.periodicity > 0.0 else slice(key, key + 1)
        onset = known.onset[start:end, near].max(axis=1)
        level_db = known.level_db[start:end, near].max(axis=1)
        reach = _RESTRIKE_FRAMES
        return [
            start + place
            for place in range(reach, end - start - reach)
            if onset[place] >= self._profile.onset_threshold
            and onset[place] == onset[place - reach : place + reach + 1].max()
            and _rise_db(level_db, place) >= self._profile.restrike_dip_db
        ]


def _likeliest_line(worth: NDArray[np.float64], rest: float, change: float) -> NDArray[np.intp]:
    """The state of each frame on the line that is worth most.

    Parameters
    ----------
    worth
        Worth of each pitch in each frame, (frames, pitches).
    rest
        Worth of a frame of rest, which is the state after the last pitch.
    change
        What each change of state costs.
    """
    frames, pitches = worth.shape
    best = np.zeros(pitches + 1)
    gain = np.append(worth, np.full((frames, 1), rest), axis=1)
    came_from = np.empty(frames, dtype=np.intp)
    stayed = np.empty((frames, pitches + 1), dtype=np.bool_)
    for frame in range(frames):
        came_from[frame] = best.argmax()
        after_change = best[came_from[frame]] - change
        np.greater_equal(best, after_change, out=stayed[frame])
        np.maximum(best, after_change, out=best)
        best += gain[frame]
    line = np.empty(frames, dtype=np.intp)
    state = int(best.argmax())
    for frame in range(frames - 1, -1, -1):
        line[frame] = state
        if not stayed[frame, state]:
            state = int(came_from[frame])
    return line


def _runs(line: NDArray[np.intp], rest: int) -> Iterator[tuple[int, int, int]]:
    """(start, end, state) of each run of one state, rests left out."""
    edges = [0, *(np.flatnonzero(np.diff(line)) + 1).tolist(), len(line)]
    for start, end in pairwise(edges):
        if line[start] != rest:
            yield start, end, int(line[start])


def _log_odds(probability: NDArray[np.float64] | float) -> NDArray[np.float64]:
    likely = np.asarray(probability, dtype=np.float64)
    return np.asarray(np.log((likely + _DOUBT) / (1.0 - likely + _DOUBT)))


def _smoothed(period: Matrix) -> NDArray[np.float64]:
    """Probability that the period is about that of each bin: 1 where all of it lies there."""
    import scipy.ndimage

    sigma = _SMOOTHING * CONTOUR_BINS
    kernel = np.exp(-0.5 * (np.arange(-3 * CONTOUR_BINS, 3 * CONTOUR_BINS + 1) / sigma) ** 2)
    near = scipy.ndimage.convolve1d(period.astype(np.float64), kernel, axis=1, mode="constant")
    return np.asarray(np.clip(near, 0.0, 1.0))


def _pitch(period: Matrix, centre: int) -> int:
    """The MIDI pitch nearest to the mean of the periods about the line; where they say little, to the line itself."""
    low = max(0, centre - _PITCH_REACH)
    mass = period[:, low : centre + _PITCH_REACH + 1].sum(axis=0)
    mean = centre if mass.sum() <= 0.5 else low + float(mass @ np.arange(len(mass))) / float(mass.sum())
    return int(np.clip(round(mean / CONTOUR_BINS), 0, PITCHES - 1)) + LOWEST_PITCH


def _rise_db(level_db: Matrix, place: int) -> float:
    """By how much the level rises from just before a frame to just after it."""
    return float(level_db[place : place + 10].max() - level_db[max(0, place - 6) : place + 3].min())
