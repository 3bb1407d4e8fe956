"""Drums apart by the kit engine's network, which says of each moment and band how much of it is whose.

Shares come 100 times a second in the network's bands; here they become gains of a short-time spectrum of the recording
itself, at its own rate and in each of its channels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from bridge.audio.file import AudioFile
from bridge.audio.spectra import Stft
from bridge.drums.kit_features import FRAME_S, Array, band_centres_hz
from bridge.engines import PartBlock
from bridge.model import COMPONENTS
from bridge.progress import Progress

#: Length of a window (s), to the nearest power of two in samples: about the network's own. Shares that are right give
#: 0.1 to 3 dB more so than with half or double of it, on kits held out of training.
WINDOW_S = 0.046
#: Hops of a block: 1.5 s.
_BLOCK_HOPS = 128


@dataclass
class _Shares:
    """Shares by frame, of which only those at hand are kept."""

    coming: Iterator[Array]
    held: Array = field(default_factory=lambda: np.zeros((0, len(COMPONENTS), len(band_centres_hz())), np.float32))
    begin: int = 0

    def at(self, frames: Array) -> Array:
        """Shares at ascending positions between the frames, (positions, components, bands)."""
        last = int(frames[-1]) + 1
        while self.begin + len(self.held) <= last and (more := next(self.coming, None)) is not None:
            self.held = np.concatenate([self.held, more])
        done = min(max(0, int(frames[0]) - self.begin), len(self.held) - 1)
        self.held, self.begin = self.held[done:], self.begin + done
        place = np.clip(frames - self.begin, 0, len(self.held) - 1)
        low = place.astype(np.intp)
        high = np.minimum(low + 1, len(self.held) - 1)
        along = (place - low).astype(np.float32)[:, None, None]
        return np.asarray((1 - along) * self.held[low] + along * self.held[high], dtype=np.float32)


@dataclass(frozen=True)
class _Masker:
    """Cuts one recording's components with shares."""

    drums: AudioFile

    @cached_property
    def stft(self) -> Stft:
        return Stft(2 ** round(float(np.log2(WINDOW_S * self.drums.sample_rate))))

    @cached_property
    def to_bins(self) -> Array:
        """Interpolates shares from bands to bins over log frequency, (bands, bins)."""
        centres = band_centres_hz()
        hertz = np.maximum(self.stft.frequencies(self.drums.sample_rate), 1.0)
        position = np.interp(np.log(hertz), np.log(centres), np.arange(len(centres)))
        return np.asarray(np.maximum(0, 1 - np.abs(position - np.arange(len(centres))[:, None])), dtype=np.float32)

    def block(self, start: int, stop: int, shares: _Shares) -> PartBlock:
        """Components of samples `start` to `stop`."""
        first, last = self.stft.frames_over(start, stop)
        begin, end = self.stft.span(first, last)
        spectra = self.stft.forward(self.drums.read(begin, end))
        at_s = np.arange(first, last, dtype=np.float32) * (self.stft.hop / self.drums.sample_rate)
        gains = shares.at(np.maximum(at_s / np.float32(FRAME_S), 0.0)) @ self.to_bins
        return {
            name: self.stft.backward(spectra * gains[:, place])[start - begin : stop - begin]
            for place, name in enumerate(COMPONENTS)
        }


def share_out(drums: AudioFile, shares: Iterator[Array], progress: Progress) -> Iterator[PartBlock]:
    """The components from start to end.

    Parameters
    ----------
    drums
        What is shared out.
    shares
        Of each component in each band, (frames, components, bands) from 0 to 1, in stretches; frame i is that of
        second i * `FRAME_S`. The last one's hold to the end.
    """
    masker, known = _Masker(drums), _Shares(shares)
    size = _BLOCK_HOPS * masker.stft.hop
    for start in range(0, drums.length, size):
        progress.at(start / drums.length)
        yield masker.block(start, min(start + size, drums.length), known)
    progress.at(1.0)
