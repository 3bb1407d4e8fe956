"""How strongly something begins in each frame: by how much the audio's spectrum rises.

Spectral flux after SuperFlux (Böck and Widmer, DAFx 2013): each band is compared with the loudest of itself and its
neighbours a moment earlier, so that vibrato and glides, which move between bands, are no rise. The network's own onset
posterior is smeared over 50 ms and more below 100 Hz; a rise is placed to within a frame.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from bridge.transcription.frames import EDGE_SAMPLES, FRAME_SAMPLES, KEPT_FRAMES, SAMPLE_RATE, Matrix

#: Hz: a rise is told for the bands between these apart, from a bass's fundamentals to the noise of a pluck.
REGIONS_HZ = (40.0, 250.0, 2000.0, 8000.0)
_FFT_SAMPLES = 1024  # 46 ms: shorter ones tell 40 Hz from nothing, longer ones smear attacks
_BANDS_AN_OCTAVE = 6  # below 250 Hz a band is a bin of the transform
_LAG_FRAMES = 2  # 23 ms: half of the transform, as SuperFlux takes it
_FLOOR = 1e-7  # -70 dB re full scale: below, noise rises and falls by itself


def attack_strengths(window: Matrix) -> Matrix:
    """Mean rise of the bands of each region about each kept frame, dB within 23 ms, falls counted as 0.

    Parameters
    ----------
    window
        43,844 samples at 22,050 Hz.

    Returns
    -------
    array of shape (142, 3)
        One column for each of `REGIONS_HZ` but the last.
    """
    import scipy.fft

    taper = np.hanning(_FFT_SAMPLES).astype(np.float32)
    first = EDGE_SAMPLES - _FFT_SAMPLES // 2 - (_LAG_FRAMES // 2) * FRAME_SAMPLES
    starts = first + FRAME_SAMPLES * np.arange(KEPT_FRAMES + _LAG_FRAMES)
    frames = np.lib.stride_tricks.sliding_window_view(window, _FFT_SAMPLES)[starts] * taper
    spectrum = np.abs(scipy.fft.rfft(frames, axis=1)) ** 2 / (taper.sum() / 2.0) ** 2
    edges = _band_edges()
    level_db = 10.0 * np.log10(np.add.reduceat(spectrum, edges, axis=1)[:, :-1] + _FLOOR)
    beside = np.pad(level_db[:-_LAG_FRAMES], ((0, 0), (1, 1)), mode="edge")
    before = np.maximum(np.maximum(beside[:, :-2], beside[:, 2:]), beside[:, 1:-1])
    rise = np.maximum(level_db[_LAG_FRAMES:] - before, 0.0)
    lowest_hz = edges[:-1] * SAMPLE_RATE / _FFT_SAMPLES
    regions = np.searchsorted(lowest_hz, REGIONS_HZ)
    return np.stack([rise[:, low:high].mean(axis=1) for low, high in pairwise(regions)], axis=1)


def _band_edges() -> np.ndarray:
    """Bins at which the bands begin, and the one after the last."""
    lowest_hz, highest_hz = REGIONS_HZ[0], REGIONS_HZ[-1]
    count = int(np.log2(highest_hz / lowest_hz) * _BANDS_AN_OCTAVE) + 2
    bins = lowest_hz * 2.0 ** (np.arange(count) / _BANDS_AN_OCTAVE) * _FFT_SAMPLES / SAMPLE_RATE
    return np.unique(np.rint(bins).astype(np.intp))
