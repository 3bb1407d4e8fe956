"""What the kit engine's network hears: a log-frequency spectrogram at 100 frames a second.

numpy only, and used by training (``tools/train``) and inference alike, so that both hear the same. The rise from frame
to frame is taken inside the network.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

#: Hz; other rates are resampled first.
SAMPLE_RATE = 44_100
#: Samples from frame to frame: 10 ms.
HOP = 441
FRAME_S = HOP / SAMPLE_RATE
#: Samples a frame looks at (46 ms, Hann), which gives bins of 21.5 Hz: enough to tell a kick from a floor tom.
WINDOW = 2048
#: Bands lie twelve to the octave, as in most work on drums since Vogl et al. (ISMIR 2017); below 350 Hz one to a bin.
BANDS_PER_OCTAVE = 12
LOWEST_HZ, HIGHEST_HZ = 30.0, 17_000.0
#: Magnitude 1 is a full-scale sine; what is this much quieter (-66 dB) reaches a third of a loud one's value.
COMPRESSION = 2000.0
#: Level to which a recording's loud moments are brought (RMS of 0.1 s, full scale = 1).
LOUD_RMS = 0.1
#: Which of its moments are loud (percentile), and how long a moment is (s).
LOUD_PERCENT = 95.0
MOMENT_S = 0.1
#: Quieter moments than this (-80 dB) are silence and say nothing about the level.
SILENT_RMS = 1e-4

_CHUNK_FRAMES = 256


@cache
def _edges() -> NDArray[np.intp]:
    """Bins at which bands begin, have their middle, and end: those of band i are i, i + 1 and i + 2."""
    count = int(np.log2(HIGHEST_HZ / LOWEST_HZ) * BANDS_PER_OCTAVE) + 2
    hertz = LOWEST_HZ * 2.0 ** (np.arange(count) / BANDS_PER_OCTAVE)
    return np.unique(np.round(hertz * WINDOW / SAMPLE_RATE).astype(np.intp))


@cache
def band_weights() -> Array:
    """Share of each bin in each band, (bins, bands): triangles between neighbouring centres, each summing to 1."""
    edges = _edges()
    weights = np.zeros((WINDOW // 2 + 1, len(edges) - 2), dtype=np.float32)
    for band, (low, centre, high) in enumerate(zip(edges, edges[1:], edges[2:], strict=False)):
        weights[low : centre + 1, band] = np.linspace(0, 1, centre - low + 1)
        weights[centre:high, band] = np.linspace(1, 0, high - centre + 1)[:-1]
    return np.asarray(weights / weights.sum(axis=0), dtype=np.float32)


def band_centres_hz() -> Array:
    """Middle of each band (Hz), ascending."""
    return np.asarray(_edges()[1:-1] * (SAMPLE_RATE / WINDOW), dtype=np.float32)


def bands() -> int:
    """Bands of a frame."""
    return int(band_weights().shape[1])


def spectrogram(samples: Array) -> Array:
    """Compressed band magnitudes, (frames, bands), of mono `samples` at `SAMPLE_RATE`.

    Frame i looks at samples i * `HOP` to i * `HOP` + `WINDOW`: pad by half a window to centre frames on their time.
    """
    count = max(0, (len(samples) - WINDOW) // HOP + 1)
    window = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
    window *= 2 / window.sum()
    rows = np.zeros((count, bands()), dtype=np.float32)
    if count:
        frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP][:count]
        for start in range(0, count, _CHUNK_FRAMES):
            magnitude = np.abs(np.fft.rfft(frames[start : start + _CHUNK_FRAMES] * window, axis=1)).astype(np.float32)
            rows[start : start + _CHUNK_FRAMES] = compressed(magnitude @ band_weights())
    return rows


def compressed(magnitude: Array) -> Array:
    """What the network hears of band magnitudes (a full-scale sine has 1)."""
    return np.asarray(np.log10(1 + COMPRESSION * magnitude), dtype=np.float32)


def magnitudes(features: Array) -> Array:
    """`compressed` undone."""
    return np.asarray((np.power(np.float32(10), features) - 1) / np.float32(COMPRESSION), dtype=np.float32)


def centred(samples: Array) -> Array:
    """The spectrogram of a whole recording: frame i is centred on sample i * `HOP`."""
    return spectrogram(np.pad(samples, WINDOW // 2))


def moment_levels(samples: Array, sample_rate: int = SAMPLE_RATE) -> Array:
    """RMS of each whole `MOMENT_S` of mono samples."""
    size = round(MOMENT_S * sample_rate)
    whole = samples[: len(samples) // size * size].reshape(-1, size)
    return np.asarray(np.sqrt(np.mean(np.square(whole), axis=1)), dtype=np.float32)


def loudness_gain(levels: Array) -> float:
    """The factor that brings a recording with these moments to `LOUD_RMS`; 1 where it is silent."""
    heard = levels[levels > SILENT_RMS]
    return float(LOUD_RMS / np.percentile(heard, LOUD_PERCENT)) if len(heard) else 1.0
