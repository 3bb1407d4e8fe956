"""Where a note may begin, and what the evidence says of each such place.

A candidate is a peak of the network's onset posterior, however low. What is said of it is the same for all: how its own
pitch and the pitches that are mistaken for it (semitones beside it, octaves, twelfths, fifths) begin, sound and rise in
level, and how much else happens at that moment. `bridge.transcription.judge` weighs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bridge.transcription.frames import PITCHES, Evidence, Matrix
from bridge.transcription.windows import highest, mean, mean_at

#: An onset posterior below is none: of the notes of songs 9 in 100 have less, and those can't be told from nothing.
LEAST_ONSET = 0.2
_PEAK_REACH = 2  # frames either way that a peak is the highest of
_DOUBT = 0.02  # no posterior is nearer to 0 or 1 than this
_QUIET_DB = -100.0
_LOUD_PERCENTILE = 90.0
_MANY_ONSETS = 0.5  # posterior from which onsets at the same time are counted

#: Semitones from a candidate to the pitches that are looked at beside it. Harmonics 2, 3, 4 lie 12, 19, 24 above.
_ONSETS_AT = (-1, 1, -12, 12, -19, 19, -24, 24, -7, 7, -5, 5, -2, 2)
_SOUNDING_AT = (-1, 1, -12, 12, -19, 19, -24, 24)
_SOUNDED_AT = (-12, 12, -24)
_LEVELS_AT = (-1, 1, -12, 12, -19, 19, -24, 24, 28, 31, 36)
_RISES_AT = (-12, 12, 19, -19, 24)
#: How many numbers `described` gives of one evidence.
FACTS = 18 + len(_ONSETS_AT) + len(_SOUNDING_AT) + len(_SOUNDED_AT) + len(_LEVELS_AT) + len(_RISES_AT)

Places = NDArray[np.intp]


class Candidates(NamedTuple):
    """Places where notes may begin, in order of time; `key` 0 is A0."""

    frame: Places
    key: Places


def candidates(onsets: Matrix, lowest_key: int, highest_key: int) -> Candidates:
    """The peaks of onset posteriors, (frames, 88), from `lowest_key` to `highest_key`."""
    is_peak = (onsets == highest(onsets, -_PEAK_REACH, _PEAK_REACH)) & (onsets >= LEAST_ONSET)
    is_peak[1:] &= ~is_peak[:-1]  # of a level top, the first frame
    is_peak[:, :lowest_key] = is_peak[:, highest_key + 1 :] = False
    return Candidates(*np.nonzero(is_peak))


def described(known: Evidence, at: Candidates) -> Matrix:
    """What evidence says of each candidate, (candidates, `FACTS`)."""
    frame, key = at
    onset, note = log_odds(known.onset), log_odds(known.note)
    level = np.maximum(known.level_db, _QUIET_DB).astype(np.float32)
    begins, sounds = highest(onset, -2, 2), _mean(note, 1, 6)
    sounded, loud = _mean(note, -7, -3), highest(level, 2, 10)
    before = _mean(level, -10, -6)
    rise = loud - before
    silent, still = float(log_odds(np.zeros(1))[0]), 0.0
    own = (
        onset[at],
        sounds[at],
        mean_at(note, 7, 18, *at),
        sounded[at],
        highest(note, 0, 8)[at],
        mean_at(onset, -5, 5, *at),
        highest(onset, -14, -5)[at],
        highest(onset, 5, 14)[at],
        (loud - loud.max(axis=1, keepdims=True))[at],
        np.clip(loud[at] - _usual_loudness(level), -80.0, 20.0),
        rise[at],
        mean_at(level, 16, 24, *at).astype(np.float32) - loud[at],
        highest((known.onset >= _MANY_ONSETS).astype(np.float32), -3, 3).sum(axis=1)[frame],
        begins.max(axis=1)[frame],
        known.note.sum(axis=1)[frame],
        key / 40.0 - 1.0,
        (key / 40.0 - 1.0) ** 2,
        loud[at] - mean_at(level, -40, 40, *at).astype(np.float32),
    )
    beside = (
        _beside(begins, at, _ONSETS_AT, silent),
        _beside(sounds, at, _SOUNDING_AT, silent),
        _beside(sounded, at, _SOUNDED_AT, silent),
        np.clip(_beside(loud, at, _LEVELS_AT, _QUIET_DB) - loud[at][:, None], -50.0, 50.0),
        np.clip(_beside(rise, at, _RISES_AT, still), -30.0, 40.0),
    )
    return np.concatenate([np.stack(own, axis=1), *beside], axis=1).astype(np.float32)


def compared(known: Sequence[Evidence], at: Candidates) -> Matrix:
    """How much louder each candidate's pitch is in other evidence than in the first, dB: (candidates, others)."""
    loud = [highest(np.maximum(evidence.level_db, _QUIET_DB), 2, 10)[at] for evidence in known]
    louder = [np.clip(other - loud[0], -40.0, 40.0) for other in loud[1:]]
    return np.stack([np.zeros(len(at.frame)), *louder], axis=1)[:, 1:].astype(np.float32)


def log_odds(posterior: NDArray[np.floating]) -> Matrix:
    """Posteriors as log-odds, kept within about 4 nats."""
    likely = np.asarray(posterior, dtype=np.float32)
    return np.asarray(np.log((likely + _DOUBT) / (1.0 - likely + _DOUBT)), dtype=np.float32)


def _usual_loudness(level: Matrix) -> float:
    """Level of the loudest pitch in the loud frames."""
    return float(np.percentile(level.max(axis=1), _LOUD_PERCENTILE)) if len(level) else _QUIET_DB


def _beside(values: Matrix, at: Candidates, steps: Sequence[int], outside: float) -> Matrix:
    """The values so many semitones from each candidate, (candidates, steps)."""
    key = at.key[:, None] + np.array(steps)
    there = values[at.frame[:, None], np.clip(key, 0, PITCHES - 1)]
    return np.where((key >= 0) & (key < PITCHES), there, np.float32(outside))


def _mean(values: Matrix, first: int, last: int) -> Matrix:
    return mean(values, first, last).astype(np.float32)
