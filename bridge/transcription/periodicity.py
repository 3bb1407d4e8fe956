"""How probable each pitch is by the period of the waveform: pYIN's first stage, for whole windows at once.

YIN (de Cheveigné and Kawahara, JASA 111, 2002) measures how badly a frame repeats after each lag. pYIN (Mauch and
Dixon, ICASSP 2014) asks which lag YIN would choose under every threshold and weighs these by a prior. A lag is chosen
by just those thresholds that lie between its own depth and the depth of the deepest dip before it, so its probability
is a difference of two values of the prior's distribution: no loop over thresholds is needed.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from bridge.transcription.frames import (
    CONTOUR_BINS,
    EDGE_SAMPLES,
    FRAME_SAMPLES,
    KEPT_FRAMES,
    LOWEST_PITCH,
    PITCHES,
    SAMPLE_RATE,
    Matrix,
)

_SUM_PERIODS = 3.0  # of the lowest pitch: fewer cannot tell it from noise, more blur its onset
_QUIET = 1e-7  # mean square below which a frame has no pitch: -70 dB re full scale


def pitch_probabilities(window: Matrix, min_hz: float, max_hz: float) -> Matrix:
    """Probability of each third of a semitone from A0 up, in each kept frame of one window.

    Parameters
    ----------
    window
        43,844 samples at 22,050 Hz.
    min_hz, max_hz
        Range of pitches looked for; four periods of `min_hz` must fit into twice the window's margin (from 12 Hz on
        they do).

    Returns
    -------
    array of shape (142, 264)
        0 to 1; a row's sum is the probability that the frame has a pitch at all.
    """
    longest, shortest = math.ceil(SAMPLE_RATE / min_hz) + 1, max(2, int(SAMPLE_RATE / max_hz))
    summed = math.ceil(_SUM_PERIODS * SAMPLE_RATE / min_hz)
    depth, power = _yin(_frames(window, summed + longest), summed)
    inner = depth[:, shortest:-1]
    is_dip = (inner < depth[:, shortest - 1 : -2]) & (inner <= depth[:, shortest + 1 :])
    dips = np.where(is_dip, inner, 1.0)
    deepest_before = np.minimum.accumulate(np.concatenate([np.ones((len(dips), 1)), dips[:, :-1]], axis=1), axis=1)
    mass = np.maximum(0.0, _threshold_distribution(deepest_before) - _threshold_distribution(dips))
    frame, place = np.nonzero((mass > 0.0) & (power[:, None] > _QUIET))
    lag = place + shortest
    bins = np.rint(CONTOUR_BINS * (_pitch(_refined(depth, frame, lag)) - LOWEST_PITCH)).astype(np.intp)
    known = (bins >= 0) & (bins < PITCHES * CONTOUR_BINS)
    probabilities = np.zeros((len(depth), PITCHES * CONTOUR_BINS), dtype=np.float32)
    np.add.at(probabilities, (frame[known], bins[known]), mass[frame, place][known])
    return probabilities


def _frames(window: Matrix, width: int) -> NDArray[np.float64]:
    """`width` samples about the middle of each kept frame."""
    first = EDGE_SAMPLES - width // 2
    starts = first + FRAME_SAMPLES * np.arange(KEPT_FRAMES)
    return np.lib.stride_tricks.sliding_window_view(window, width)[starts].astype(np.float64)


def _yin(frames: NDArray[np.float64], summed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """YIN's cumulative mean normalised difference of each frame over `summed` samples, and their mean square.

    Its lags are 0 to one less than as many as the frames are longer than `summed`.
    """
    import scipy.fft

    longest = frames.shape[1] - summed
    size = scipy.fft.next_fast_len(frames.shape[1], real=True)
    head = scipy.fft.rfft(frames[:, :summed], size)
    whole = scipy.fft.rfft(frames, size)
    correlation = scipy.fft.irfft(np.conj(head) * whole, size)[:, :longest]
    energy = np.concatenate([np.zeros((len(frames), 1)), np.cumsum(frames**2, axis=1)], axis=1)
    energy = energy[:, summed : summed + longest] - energy[:, :longest]
    difference = np.maximum(energy[:, :1] + energy - 2.0 * correlation, 0.0)
    mean_so_far = np.cumsum(difference[:, 1:], axis=1) / np.arange(1, longest)
    depth = np.ones_like(difference)
    np.divide(difference[:, 1:], mean_so_far, out=depth[:, 1:], where=mean_so_far > 0.0)
    return depth, energy[:, 0] / summed


def _threshold_distribution(depth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the thresholds below `depth`: the beta(2, 18) distribution, mean 0.1, that pYIN's authors use."""
    rest = np.clip(1.0 - depth, 0.0, 1.0)
    return 1.0 - rest**18 * (1.0 + 18.0 * (1.0 - rest))  # the closed form of its cumulative distribution


def _refined(depth: NDArray[np.float64], frame: NDArray[np.intp], lag: NDArray[np.intp]) -> NDArray[np.float64]:
    """Lags between samples: the lowest point of the parabola through a dip and its two neighbours."""
    before, here, after = depth[frame, lag - 1], depth[frame, lag], depth[frame, lag + 1]
    curvature = before - 2.0 * here + after
    shift = np.zeros(len(lag))
    np.divide(0.5 * (before - after), curvature, out=shift, where=curvature > 0.0)
    return lag.astype(np.float64) + np.clip(shift, -0.5, 0.5)


def _pitch(lag: NDArray[np.float64]) -> NDArray[np.float64]:
    """MIDI pitch, not rounded, of a period in samples."""
    return np.asarray(69.0 + 12.0 * np.log2(SAMPLE_RATE / lag / 440.0))
