"""Band energies of drums: the one picture of the audio that events, hits and masks are found in.

A frame is 5.8 ms. Low bands, a third of an octave wide, come from a 46 ms window, which tells a kick from a tom; high
bands, a quarter of an octave wide, from a 23 ms window, which keeps attacks sharp. The energies of both channels are
added, so that what is out of phase counts too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bridge.audio.file import AudioFile
from bridge.model import Samples
from bridge.progress import Progress

Array = NDArray[np.float32]

#: Seconds from frame to frame: 256 samples at 44.1 kHz.
FRAME_S = 256 / 44_100
#: Edges of the low bands (Hz): thirds of an octave, widened to the 21.5 Hz that the long window resolves.
LOW_EDGES_HZ = (40.0, 56.0, 80.0, 105.0, 130.0, 160.0, 200.0, 250.0, 320.0, 400.0)
#: Edges of the high bands (Hz): quarters of an octave from 400 Hz to 15.2 kHz.
HIGH_EDGES_HZ = tuple(400.0 * 2.0 ** (i / 4) for i in range(22))
BAND_EDGES_HZ = (*LOW_EDGES_HZ, *HIGH_EDGES_HZ[1:])
BANDS = len(BAND_EDGES_HZ) - 1
LOW_BANDS = len(LOW_EDGES_HZ) - 1
#: Middle of each band (Hz), geometric.
CENTRES_HZ: tuple[float, ...] = tuple((low * high) ** 0.5 for low, high in pairwise(BAND_EDGES_HZ))

_FAST_HOPS, _SLOW_HOPS = 4, 8
_CHUNK_FRAMES = 1024


@dataclass(frozen=True)
class BandAnalysis:
    """Turns samples at one rate into band energies.

    Attributes
    ----------
    sample_rate
        Hz.
    """

    sample_rate: int

    @property
    def hop(self) -> int:
        """Samples from frame to frame."""
        return max(1, round(self.sample_rate * FRAME_S))

    @property
    def bands_heard(self) -> int:
        """How many bands lie below half the sample rate."""
        return sum(edge <= self.sample_rate / 2 for edge in BAND_EDGES_HZ[1:])

    def frames_of(self, audio: AudioFile) -> int:
        """Frames in `audio`; frame i is centred on sample i * hop."""
        return audio.length // self.hop + 1

    def power(self, audio: AudioFile, start: int, stop: int, progress: Progress) -> Array:
        """Band energies of frames `start` to `stop`, (frames, `BANDS`); a full-scale sine has 1 in its band."""
        rows = np.zeros((stop - start, BANDS), dtype=np.float32)
        for begin in range(start, stop, _CHUNK_FRAMES):
            progress.check()
            end = min(begin + _CHUNK_FRAMES, stop)
            rows[begin - start : end - start] = self._chunk(audio, begin, end)
        return rows

    def _chunk(self, audio: AudioFile, start: int, stop: int) -> Array:
        # The long window is evaluated on even frames only and interpolated between: it can't change faster.
        even = start - start % 2
        slow_count = (stop - even) // 2 + 1
        reach = _SLOW_HOPS // 2
        samples = audio.read((even - reach) * self.hop, (even + 2 * slow_count + reach) * self.hop)
        slow = _power(samples, self._slow_window, 2 * self.hop, slow_count) @ self._slow_bands
        skip = (start - even + reach - _FAST_HOPS // 2) * self.hop
        fast = _power(samples[skip:], self._fast_window, self.hop, stop - start) @ self._fast_bands
        between = np.empty((2 * slow_count - 1, LOW_BANDS), dtype=np.float32)
        between[::2] = slow
        between[1::2] = (slow[:-1] + slow[1:]) / 2
        return np.hstack([between[start - even : stop - even], fast])

    @cached_property
    def _fast_window(self) -> Array:
        return _window(_FAST_HOPS * self.hop)

    @cached_property
    def _slow_window(self) -> Array:
        return _window(_SLOW_HOPS * self.hop)

    @cached_property
    def _fast_bands(self) -> Array:
        return band_matrix(_FAST_HOPS * self.hop, self.sample_rate, HIGH_EDGES_HZ)

    @cached_property
    def _slow_bands(self) -> Array:
        return band_matrix(_SLOW_HOPS * self.hop, self.sample_rate, LOW_EDGES_HZ)


def _window(size: int) -> Array:
    """A periodic Hann window in which a full-scale sine gives power 1 at its bin."""
    window = np.hanning(size + 1)[:-1]
    return np.asarray(window * (2 / window.sum()), dtype=np.float32)


def _power(samples: Samples, window: Array, hop: int, count: int) -> Array:
    """Mean power spectra over the channels, (count, bins); frame i begins at sample i * hop."""
    import scipy.fft

    total = np.zeros((count, len(window) // 2 + 1), dtype=np.float32)
    for channel in samples.T:
        frames = np.lib.stride_tricks.sliding_window_view(channel, len(window))[::hop][:count]
        spectrum = scipy.fft.rfft(frames * window, axis=1)
        total += spectrum.real**2 + spectrum.imag**2
    return np.asarray(total / np.float32(samples.shape[1]))


def band_matrix(size: int, sample_rate: int, edges_hz: tuple[float, ...]) -> Array:
    """Share of each bin in each band, (bins, bands)."""
    width = sample_rate / size
    bins = np.arange(size // 2 + 1)[:, None] * width
    low, high = np.array(edges_hz[:-1]), np.array(edges_hz[1:])
    overlap = np.minimum(high, bins + width / 2) - np.maximum(low, bins - width / 2)
    return np.asarray(np.clip(overlap / width, 0, 1), dtype=np.float32)
