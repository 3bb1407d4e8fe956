"""How loud audio is to a listener, near ITU-R BS.1770: the parts in which something sounds, weighted as ears do.

Blocks of 0.4 s stand side by side instead of overlapping, and the weighting is applied to their spectra: within a few
tenths of a dB of the standard on music, at a fraction of the time. Good for matching one recording with another.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from bridge.model import Samples

#: Length of a block, and what a block must have to count: BS.1770-5's figures.
_BLOCK_S = 0.4
_ABSOLUTE_GATE, _RELATIVE_GATE = -70.0, -10.0
#: BS.1770's K weighting as analogue filters, which its coefficients at 48 kHz were made of: a shelf for the head, and
#: a high-pass. (Frequency in Hz, Q); the shelf's gain in dB.
_SHELF_HZ, _SHELF_Q, _SHELF_DB = 1681.97, 0.7072, 4.0
_HIGH_PASS_HZ, _HIGH_PASS_Q = 38.135, 0.5003


class LoudnessMeter:
    """Measures audio that is given to it piece by piece.

    Parameters
    ----------
    sample_rate
        Hz.

    Attributes
    ----------
    peak
        The largest sample so far, as an amplitude.
    """

    def __init__(self, sample_rate: int) -> None:
        self.peak = 0.0
        self._length = max(2, round(_BLOCK_S * sample_rate))
        self._weights = _weights(self._length, sample_rate)
        self._rest = np.zeros((0, 1), np.float32)
        self._powers: list[float] = []

    def add(self, samples: Samples) -> None:
        """Take the next samples, (samples, channels)."""
        if not len(samples):
            return
        self.peak = max(self.peak, float(samples.max()), float(-samples.min()))
        samples = np.concatenate([self._rest, samples]) if len(self._rest) else samples
        whole = len(samples) // self._length * self._length
        for begin in range(0, whole, self._length):
            self._powers.append(self._power(samples[begin : begin + self._length]))
        self._rest = samples[whole:].copy()

    def lufs(self) -> float | None:
        """The loudness in LUFS; None for silence."""
        powers = np.array(self._powers or [self._power(self._rest)])
        loud = powers[powers > _power_of(_ABSOLUTE_GATE)]
        if not len(loud):
            return None
        loud = loud[loud >= loud.mean() * 10 ** (_RELATIVE_GATE / 10)]
        return -0.691 + 10 * math.log10(float(loud.mean()))

    def _power(self, block: Samples) -> float:
        """Mean square of a block as ears weight it, summed over channels."""
        from scipy.fft import rfft

        if not len(block):
            return 0.0
        spectrum = rfft(np.ascontiguousarray(block.T), n=self._length)
        parts = spectrum.view(np.float32).reshape(*spectrum.shape, 2)
        return float(np.einsum("cbi,cbi,b->", parts, parts, self._weights)) / self._length**2


def _power_of(lufs: float) -> float:
    return float(10 ** ((lufs + 0.691) / 10))


def _weights(length: int, sample_rate: int) -> NDArray[np.float32]:
    """K weighting of each bin's power; bins that stand for two count twice."""
    s = 1j * np.fft.rfftfreq(length, 1 / sample_rate)
    top = 10 ** (_SHELF_DB / 20)
    f, q = _SHELF_HZ, _SHELF_Q
    shelf = (top * s**2 + math.sqrt(top) * s * f / q + f**2) / (s**2 + s * f / q + f**2)
    high_pass = s**2 / (s**2 + s * _HIGH_PASS_HZ / _HIGH_PASS_Q + _HIGH_PASS_HZ**2)
    weights: NDArray[np.float64] = np.abs(shelf * high_pass) ** 2 * 2
    weights[0] /= 2
    if length % 2 == 0:
        weights[-1] /= 2
    return weights.astype(np.float32)
