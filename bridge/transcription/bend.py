"""The pitch contours of notes: how far they are from their notes' semitones, instant by instant."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bridge.transcription.frames import CONTOUR_BINS, LOWEST_PITCH, Evidence, Found, Matrix

# The middle one of a semitone's three bins is its centre: basic_pitch.constants says so, a tone in tune peaks there.
# basic_pitch.note_creation.get_pitch_bends takes the first for it and is a third of a semitone off.
_CENTRE_BIN = 1
_REACH = 2 * CONTOUR_BINS  # two semitones: what a MIDI pitch wheel covers unless told otherwise
_EVERY_FRAMES = 2  # 23 ms a point: eight points a cycle of a 5 Hz vibrato
_FAINT = 0.1  # posterior below which a frame keeps the bend before it
_SMOOTHING_FRAMES = 5  # median over 58 ms, a third of a vibrato's cycle: single wild frames go


def contours_of(known: Evidence, notes: Sequence[Found]) -> list[tuple[tuple[int, float], ...]]:
    """Of each note (frame, semitones from the note's pitch) every second frame, from its contour posterior.

    A note without a frame in which the posterior says anything has none.
    """
    if not notes:
        return []
    starts = np.array([note.start for note in notes])
    lengths = np.array([note.end for note in notes]) - starts
    firsts = np.cumsum(lengths) - lengths  # all notes' frames stand in one row, one note after the other
    centres = (np.array([note.pitch for note in notes]) - LOWEST_PITCH) * CONTOUR_BINS + _CENTRE_BIN
    frames = np.arange(lengths.sum()) + np.repeat(starts - firsts, lengths)
    salience = _about(known.contour, frames, np.repeat(centres, lengths))
    sure = salience.max(axis=1) >= _FAINT
    bins = _centres_of_gravity(salience)[_latest(sure, firsts, lengths)] - _REACH
    points = np.concatenate([np.arange(0, length, _EVERY_FRAMES) for length in lengths])
    counts = -(-lengths // _EVERY_FRAMES)
    semitones = (_medians(bins, points, np.repeat(firsts, counts), np.repeat(lengths, counts)) / CONTOUR_BINS).tolist()
    bends, begin = [], 0
    for note, count, is_sure in zip(notes, counts.tolist(), np.logical_or.reduceat(sure, firsts).tolist(), strict=True):
        bent = semitones[begin : begin + count] if is_sure else []
        bends.append(tuple((note.start + _EVERY_FRAMES * at, round(bend, 3)) for at, bend in enumerate(bent)))
        begin += count
    return bends


def _about(contour: Matrix, frames: NDArray[np.intp], centres: NDArray[np.intp]) -> Matrix:
    """The posterior of the bins about a centre in each frame, (frames, 2 * `_REACH` + 1); 0 where there are none."""
    bins = centres[:, None] + np.arange(-_REACH, _REACH + 1)
    there = (bins >= 0) & (bins < contour.shape[1])
    return np.where(there, contour[frames[:, None], np.where(there, bins, 0)], np.float32(0.0))


def _centres_of_gravity(salience: Matrix) -> NDArray[np.float64]:
    """Of the peak and its two neighbours in each row: finer than the bins."""
    columns = np.arange(salience.shape[1])
    beside = np.abs(columns - salience.argmax(axis=1)[:, None]) <= 1
    weight = np.where(beside, salience, np.float32(0.0))
    return np.asarray((weight * columns).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-9))


def _latest(sure: NDArray[np.bool_], firsts: NDArray[np.intp], lengths: NDArray[np.intp]) -> NDArray[np.intp]:
    """For each frame the last sure one of its note so far, or where there is none yet, the note's first sure one."""
    frames = np.arange(len(sure))
    first_sure = np.minimum.reduceat(np.where(sure, frames, np.repeat(firsts + lengths - 1, lengths)), firsts)
    return np.asarray(np.maximum.accumulate(np.where(sure, frames, np.repeat(first_sure, lengths))))


def _medians(
    values: NDArray[np.float64], points: NDArray[np.intp], firsts: NDArray[np.intp], lengths: NDArray[np.intp]
) -> NDArray[np.float64]:
    """The median about each point of a note, whose values begin at `firsts`; the ends of notes are repeated."""
    near = np.arange(-(_SMOOTHING_FRAMES // 2), _SMOOTHING_FRAMES // 2 + 1)
    places = firsts[:, None] + np.clip(points[:, None] + near, 0, lengths[:, None] - 1)
    return np.asarray(np.sort(values[places], axis=1)[:, _SMOOTHING_FRAMES // 2])
