"""Splits a mix into three layers: what is held, what moves, what is struck.

Two harmonic/percussive splits in a row, after Tachibana et al., *Singing voice enhancement in monaural music
signals based on two-stage harmonic/percussive sound separation* (2014). With long windows a voice's vibrato and glides
are too restless to be a ridge along time, so they stay with the drums; with short windows they are steady beside a hit.

=========  ============================  ==================================
layer      long windows say              short windows say
=========  ============================  ==================================
held       tonal                         (not asked): chords, bass, pads
moving     not tonal                     tonal: voice, slides, drum tails
struck     not tonal                     not tonal: hits, consonants, picks
=========  ============================  ==================================
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter

from bridge.audio.file import AudioFile
from bridge.audio.spectra import Array, Spectra, Stft, power
from bridge.model import Samples
from bridge.progress import Progress
from bridge.separation.median import median_along_frequency, median_along_time, tonal_share

LAYERS = ("held", "moving", "struck")

#: Seconds of the short window. 46 ms (2048 samples at 44.1 kHz) tells a voice's partials apart and still catches hits.
SHORT_WINDOW_S = 2048 / 44100
#: Long window over short one: 186 ms, in which a 6 Hz vibrato passes through more than one cycle.
LONG_OVER_SHORT = 4

# Widths of medians, all odd. In the long windows frames are 46 ms and bins 5.4 Hz apart, in the short 12 ms and 22 Hz.
HELD_FRAMES = 17  # 0.8 s: shorter than most bass notes and chords, longer than syllables
HIT_BINS = 31  # 167 Hz: wider than a partial with its vibrato, narrower than a drum's noise
LOW_HIT_BINS = 13  # 70 Hz: below LOW_HZ the partials and a kick's thump lie closer together
LOW_HZ = 350.0
MOVING_FRAMES = 15  # 0.17 s: a syllable
STRUCK_BINS = 15  # 0.3 kHz

#: Frames and bins over which the channels are compared: 80 ms, 65 Hz.
SIDE_NEIGHBOURHOOD = (7, 3)


@dataclass(frozen=True, slots=True)
class Layers:
    """A stretch of the short-window transform, split.

    Attributes
    ----------
    mix, rest
        Spectra (channels, frames, bins) of the mix, and of what is not held.
    moving_share
        How much of `rest` is moving rather than struck, (frames, bins), 0 to 1.
    side
        Energy of the channels' difference over that of both, (frames, bins): 0 in the middle, 0.5 on one side only,
        1 in opposite phase. None for mono.
    """

    mix: Spectra
    rest: Spectra
    moving_share: Array
    side: Array | None

    @property
    def frames(self) -> int:
        """Length of the stretch."""
        return len(self.moving_share)

    def spectra(self, layer: str) -> Spectra:
        """One of `LAYERS`; the three sum to the mix."""
        if layer == "held":
            return self.mix - self.rest
        return self.rest * (self.moving_share if layer == "moving" else 1 - self.moving_share)


def short_transform(sample_rate: int) -> Stft:
    """The transform in which layers are given: the power of two nearest to `SHORT_WINDOW_S`, at least 64 samples."""
    return Stft(max(64, 2 ** round(math.log2(sample_rate * SHORT_WINDOW_S))))


def split_layers(mix: AudioFile, first: int, last: int, progress: Progress) -> Layers:
    """The layers of frames `first` to `last` (not included) of `short_transform`, the same in whatever stretches."""
    short = short_transform(mix.sample_rate)
    margin = max(MOVING_FRAMES, *SIDE_NEIGHBOURHOOD) // 2
    start, stop = short.span(first - margin, last + margin)
    spectra = short.forward(mix.read(start, stop))
    progress.check()
    rest = short.forward(_not_held(mix, start, stop, Stft(short.size * LONG_OVER_SHORT), progress))
    progress.check()
    magnitude = np.sqrt(power(rest))
    moving = tonal_share(median_along_time(magnitude, MOVING_FRAMES), median_along_frequency(magnitude, STRUCK_BINS))
    side = _side(spectra) if mix.channels == 2 else None
    inner = slice(margin, margin + last - first)
    return Layers(spectra[:, inner], rest[:, inner], moving[inner], None if side is None else side[inner])


def _not_held(mix: AudioFile, start: int, stop: int, transform: Stft, progress: Progress) -> Samples:
    """Samples `start` to `stop` of the mix without what is held."""
    first, last = transform.frames_over(start, stop)
    margin = HELD_FRAMES // 2
    spectra = transform.forward(mix.read(*transform.span(first - margin, last + margin)))
    magnitude = np.sqrt(power(spectra))
    progress.check()
    hits = median_along_frequency(magnitude, HIT_BINS)
    low = min(transform.bins, round(LOW_HZ * transform.size / mix.sample_rate))
    hits[:, :low] = median_along_frequency(magnitude[:, : low + LOW_HIT_BINS], LOW_HIT_BINS)[:, :low]
    progress.check()
    held = tonal_share(median_along_time(magnitude, HELD_FRAMES), hits)
    inner = slice(margin, margin + last - first)
    samples = transform.backward(spectra[:, inner] * (1 - held[inner]))
    skipped = start - transform.span(first, last)[0]
    return samples[skipped : skipped + stop - start]


def _side(spectra: Spectra) -> Array:
    left, right = spectra
    difference = uniform_filter(power((left - right)[None]), SIDE_NEIGHBOURHOOD)
    both = uniform_filter(power(spectra), SIDE_NEIGHBOURHOOD)
    # uniform_filter keeps a running sum, whose rounding can fall below zero
    side = difference / np.maximum(2 * both, np.float32(1e-12))
    return np.asarray(np.clip(side, 0, 1), dtype=np.float32)
