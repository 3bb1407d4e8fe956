"""Short-time spectra on one grid for the whole recording, so that no result depends on where a block begins.

Frame `t` of a transform with window `size` and step `hop` is centred on sample ``t * hop`` of the recording.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from bridge.model import Samples

#: Complex spectra, (channels, frames, bins).
Spectra = NDArray[np.complex64]
Array = NDArray[np.float32]

#: Windows overlap by three quarters, the least at which masks that change between frames do not buzz.
OVERLAP = 4


@dataclass(frozen=True, slots=True)
class Stft:
    """A transform with square-root Hann windows for analysis and synthesis, which together add up to a constant.

    Attributes
    ----------
    size
        Samples in a window; a power of two.
    """

    size: int

    @property
    def hop(self) -> int:
        """Samples from one frame to the next."""
        return self.size // OVERLAP

    @property
    def bins(self) -> int:
        """Frequencies in a frame."""
        return self.size // 2 + 1

    def frequencies(self, sample_rate: int) -> Array:
        """The bins' frequencies in Hz."""
        return (np.arange(self.bins) * (sample_rate / self.size)).astype(np.float32)

    def span(self, first: int, last: int) -> tuple[int, int]:
        """The samples (start, stop) that frames `first` to `last` (not included) see."""
        return first * self.hop - self.size // 2, (last - 1) * self.hop + self.size // 2

    def frames_over(self, start: int, stop: int) -> tuple[int, int]:
        """The frames (first, last) that reach into samples `start` to `stop`."""
        half = self.size // 2
        return (start - half) // self.hop + 1, -((-stop - half) // self.hop)

    def forward(self, samples: Samples) -> Spectra:
        """Spectra of samples (samples, channels) that are exactly a `span` of frames."""
        channels = np.ascontiguousarray(samples.T)
        windows = np.lib.stride_tricks.sliding_window_view(channels, self.size, axis=1)[:, :: self.hop]
        return np.asarray(fft.rfft(windows * self._window(), axis=2))

    def backward(self, spectra: Spectra) -> Samples:
        """Samples (samples, channels) of a `span` of frames, without what other frames add at its ends."""
        pieces = fft.irfft(spectra, self.size, axis=2)
        pieces *= self._window() * np.float32(2 / OVERLAP)
        channels, frames, _ = pieces.shape
        out = np.zeros((channels, frames + OVERLAP - 1, self.hop), dtype=np.float32)
        for quarter in range(OVERLAP):
            out[:, quarter : quarter + frames] += pieces[:, :, quarter * self.hop : (quarter + 1) * self.hop]
        return np.ascontiguousarray(out.reshape(channels, -1).T)

    def _window(self) -> Array:
        return np.sin(np.pi * np.arange(self.size) / self.size).astype(np.float32)


def power(spectra: Spectra) -> Array:
    """Energy per frame and bin, summed over the channels."""
    energy: Array = np.sum(spectra.real**2 + spectra.imag**2, axis=0, dtype=np.float32)
    return energy
