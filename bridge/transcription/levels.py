"""How loud each semitone is, in each frame of a window."""

from __future__ import annotations

import numpy as np

from bridge.transcription.frames import (
    EDGE_SAMPLES,
    FRAME_SAMPLES,
    KEPT_FRAMES,
    LOWEST_PITCH,
    PITCHES,
    SAMPLE_RATE,
    Matrix,
)

_FFT_SAMPLES = 4096  # 186 ms, 5.4 Hz a bin: semitones apart from about D2 up; below, neighbours share their level
_EVERY_FRAMES = 2  # a level each 23 ms is enough of a window of 186 ms; the frame between has the same
SILENCE_DB = -120.0


def semitone_levels(window: Matrix) -> Matrix:
    """Level of the audio within half a semitone of each fundamental from A0 up, dB re a full-scale sine.

    Parameters
    ----------
    window
        43,844 samples at 22,050 Hz.

    Returns
    -------
    array of shape (142, 88)
        At least `SILENCE_DB`.
    """
    import scipy.fft

    taper = np.hanning(_FFT_SAMPLES).astype(np.float32)
    starts = EDGE_SAMPLES - _FFT_SAMPLES // 2 + FRAME_SAMPLES * np.arange(0, KEPT_FRAMES, _EVERY_FRAMES)
    frames = np.lib.stride_tricks.sliding_window_view(window, _FFT_SAMPLES)[starts] * taper
    spectrum = np.abs(scipy.fft.rfft(frames, axis=1)) ** 2
    below = np.concatenate([np.zeros((len(frames), 1), spectrum.dtype), np.cumsum(spectrum, axis=1)], axis=1)
    edges = (
        440.0
        * 2.0 ** ((np.arange(LOWEST_PITCH, LOWEST_PITCH + PITCHES + 1) - 69.5) / 12.0)
        * _FFT_SAMPLES
        / SAMPLE_RATE
    )
    low, high = np.floor(edges[:-1]).astype(np.intp), np.ceil(edges[1:]).astype(np.intp) + 1
    # A full-scale sine puts the taper's energy, times half its length and a quarter, into its bins.
    full_scale = np.sum(taper.astype(np.float64) ** 2) * _FFT_SAMPLES / 4.0
    power = np.maximum(below[:, high] - below[:, low], 0.0) / full_scale
    level_db = 10.0 * np.log10(np.maximum(power, 10.0 ** (SILENCE_DB / 10.0)))
    return np.repeat(level_db.astype(np.float32), _EVERY_FRAMES, axis=0)


def power_levels(window: Matrix) -> Matrix:
    """Level of the audio within each kept frame, dB re full scale.

    Parameters
    ----------
    window
        43,844 samples at 22,050 Hz.

    Returns
    -------
    array of shape (142,)
        At least `SILENCE_DB`.
    """
    start = EDGE_SAMPLES - FRAME_SAMPLES // 2
    frames = window[start : start + KEPT_FRAMES * FRAME_SAMPLES].reshape(KEPT_FRAMES, FRAME_SAMPLES)
    power = np.mean(np.square(frames, dtype=np.float64), axis=1)
    return np.asarray(10.0 * np.log10(np.maximum(power, 10.0 ** (SILENCE_DB / 10.0))), dtype=np.float32)
