"""Harmonic against percussive by medians.

After Fitzgerald, *Harmonic/percussive separation using median filtering* (2010): in a spectrogram a held tone is a
ridge along time and a hit a ridge along frequency. A median along time keeps the first and drops the second; one along
frequency does the opposite.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import median_filter

from bridge.audio.spectra import Array

#: Keeps 0 / 0 at silence.
_TINY = np.float32(1e-20)


def median_along_frequency(magnitude: Array, width: int) -> Array:
    """Running median of each frame (row) over an odd number of bins; the outermost values go on beyond the ends."""
    reach = width // 2
    padded = np.pad(magnitude, ((0, 0), (reach, reach)), mode="edge")
    # One long row: scipy's filter in one dimension is ten times as fast as in two, and the padding keeps rows apart.
    flat = median_filter(padded.ravel(), size=width)
    return np.asarray(flat.reshape(padded.shape)[:, reach:-reach])


def median_along_time(magnitude: Array, width: int) -> Array:
    """Running median of each bin (column) over an odd number of frames."""
    return np.ascontiguousarray(median_along_frequency(np.ascontiguousarray(magnitude.T), width).T)


def tonal_share(held: Array, struck: Array) -> Array:
    """How much of each bin belongs to the ridges along time, 0 to 1: a Wiener mask of the two medians."""
    held, struck = held * held, struck * struck
    return held / (held + struck + _TINY)
