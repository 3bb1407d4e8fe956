"""The pitch contour of a note: how far it is from the note's semitone, instant by instant."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bridge.transcription.frames import CONTOUR_BINS, LOWEST_PITCH, Evidence, Found

# The middle one of a semitone's three bins is its centre: basic_pitch.constants says so, a tone in tune peaks there.
# basic_pitch.note_creation.get_pitch_bends takes the first for it and is a third of a semitone off.
_CENTRE_BIN = 1
_REACH = 2 * CONTOUR_BINS  # two semitones: what a MIDI pitch wheel covers unless told otherwise
_EVERY_FRAMES = 2  # 23 ms a point: eight points a cycle of a 5 Hz vibrato
_FAINT = 0.1  # posterior below which a frame keeps the bend before it
_SMOOTHING_FRAMES = 5  # median over 58 ms, a third of a vibrato's cycle: single wild frames go


def contour_of(known: Evidence, note: Found) -> tuple[tuple[int, float], ...]:
    """(frame, semitones from the note's pitch) every second frame of the note, from its contour posterior."""
    centre = (note.pitch - LOWEST_PITCH) * CONTOUR_BINS + _CENTRE_BIN
    low, high = max(0, centre - _REACH), min(known.contour.shape[1], centre + _REACH + 1)
    salience = known.contour[note.start : note.end, low:high]
    peak = salience.argmax(axis=1)
    columns = np.arange(high - low)
    # The centre of gravity of the peak and its neighbours: finer than the bins.
    beside = np.abs(columns - peak[:, None]) <= 1
    weight = np.where(beside, salience, 0.0)
    bins = (weight * columns).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-9) + low - centre
    sure = salience.max(axis=1, initial=0.0) >= _FAINT
    if not sure.any():
        return ()
    last_sure = np.maximum.accumulate(np.where(sure, np.arange(len(sure)), sure.argmax()))
    semitones = _medians(bins[last_sure]) / CONTOUR_BINS
    frames = range(note.start, note.end, _EVERY_FRAMES)
    return tuple((frame, round(bent, 3)) for frame, bent in zip(frames, semitones.tolist(), strict=True))


def _medians(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The median about every second value, the first one first; the ends are repeated."""
    near = np.arange(-(_SMOOTHING_FRAMES // 2), _SMOOTHING_FRAMES // 2 + 1)
    places = np.arange(0, len(values), _EVERY_FRAMES)[:, None] + near
    return np.asarray(np.sort(values[np.clip(places, 0, len(values) - 1)], axis=1)[:, _SMOOTHING_FRAMES // 2])
