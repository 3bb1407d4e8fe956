"""What is heard around a moment that makes a part likelier: factors on the odds in `bridge.separation.shares`.

- *Voices move.* How much of the tonal energy moves, over seconds between 300 and 3,300 Hz and nearby, raises the
  vocals.
- *Drums strike.* How much of all energy is struck, at a moment and over seconds, raises the drums, in the held layer
  too: that is the kick's thump.
- *The song's own width* is kept, for what lies more in the middle than the rest of it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from bridge.audio.spectra import Array, power
from bridge.separation.layers import LAYERS, Layers

#: Bands in which energies are compared, in Hz: about the ear's, wider where little is decided.
BAND_EDGES = (0, 70, 110, 150, 210, 300, 450, 700, 1000, 1500, 2200, 3300, 5000, 8000, 1e9)
BAND_CENTRES = (40, 85, 130, 180, 250, 370, 560, 840, 1200, 1800, 2700, 4100, 6300, 11000)
#: Where a voice's strongest partials lie.
VOICE_HZ = (300, 3300)
_IN_VOICE = [low >= VOICE_HZ[0] and high <= VOICE_HZ[1] for low, high in itertools.pairwise(BAND_EDGES)]

# A cue is the power `strength` of a ratio over its usual value, within limits. Round numbers, set by hand; of those
# tried one by one, none moved the mean signal-to-distortion ratio by more than 0.1 dB when changed by about a third
# (tools/measure_separation.py).
USUAL_MOVING = 0.06  # of tonal energy; measured: sung songs 0.03 to 0.36, bands that nobody sings to about 0.01
MOVING_STRENGTH = 1.0
NEARBY_MOVING_STRENGTH = 0.3
MOVING_LIMITS = (math.exp(-4.0), math.exp(2.5))
USUAL_STRUCK = 0.14  # of all energy
STRUCK_STRENGTH = 0.7
SONG_STRUCK_STRENGTH = 0.3
STRUCK_LIMITS = (math.exp(-2.5), math.exp(2.5))
TAILS_STRUCK = 0.4  # of the moving layer counts as struck: drums' tails, against voices
USUAL_SIDE = 0.1  # of the energy of a mix whose bass, drums and singer are in the middle

# Standard deviations, in seconds, of the windows over which the ratios are taken, and where those end.
SONG_S = 1.5  # a line of singing, with its breaths
NEARBY_S = 0.4  # a few syllables
HIT_S = 0.03  # a drum's attack
TRUNCATE = 3.0
#: Seconds around a moment that decide about it.
CONTEXT_S = SONG_S * TRUNCATE

#: Energy in a band, per squared window, below which ratios tend to what is usual: a sine 110 dB below full scale.
_SILENCE = 1e-12


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the cues of a stretch depend on: little data, so that seconds of it can be kept.

    Attributes
    ----------
    energy
        Of each layer in each band, (layers, frames, bands).
    width
        In stereo, energy of the side and of all within `VOICE_HZ`, (frames, 2); else zeros.
    """

    energy: Array
    width: Array

    @classmethod
    def of(cls, layers: Layers, frequencies: Array) -> Evidence:
        """Measure one stretch, whose bins have these `frequencies` in Hz."""
        band = np.searchsorted(BAND_EDGES, frequencies, side="right") - 1
        sums = (band[:, None] == np.arange(len(BAND_CENTRES))).astype(np.float32)
        energy = np.stack([power(layers.spectra(layer)) @ sums for layer in LAYERS])
        width = np.zeros((layers.frames, 2), dtype=np.float32)
        if layers.side is not None:
            voiced = (frequencies >= VOICE_HZ[0]) & (frequencies < VOICE_HZ[1])
            total = power(layers.mix[:, :, voiced])
            width[:, 0] = (total * layers.side[:, voiced]).sum(axis=1)
            width[:, 1] = total.sum(axis=1)
        return cls(energy, width)

    @classmethod
    def joined(cls, stretches: Sequence[Evidence]) -> Evidence:
        """Stretches that follow one another, as one."""
        energy = np.concatenate([stretch.energy for stretch in stretches], axis=1)
        return cls(energy, np.concatenate([stretch.width for stretch in stretches]))

    @property
    def frames(self) -> int:
        """Length of the stretch."""
        return len(self.width)


@dataclass(frozen=True, slots=True)
class Cues:
    """Factors on the odds of a stretch.

    Attributes
    ----------
    vocals, drums
        (frames, bands).
    side
        Share of the side in the song about each frame, (frames, 1).
    """

    vocals: Array
    drums: Array
    side: Array

    @classmethod
    def heard(cls, evidence: Evidence, frames_per_second: float, window_samples: int) -> Cues:
        """The cues at every frame of the evidence; wrong within `CONTEXT_S` of an end that is not the song's."""
        ratio = _Ratio(frames_per_second, np.float32(_SILENCE * window_samples**2))
        held, moving, struck = evidence.energy
        tonal, voices = held + moving, moving[:, _IN_VOICE].sum(axis=1, keepdims=True)
        singing = ratio(voices, tonal[:, _IN_VOICE].sum(axis=1, keepdims=True), SONG_S, USUAL_MOVING)
        singing_here = ratio(moving, tonal, NEARBY_S, USUAL_MOVING)
        hits, total = struck + TAILS_STRUCK * moving, tonal + struck
        hit = ratio(hits, total, HIT_S, USUAL_STRUCK)
        hits_in_song = ratio(hits.sum(axis=1, keepdims=True), total.sum(axis=1, keepdims=True), SONG_S, USUAL_STRUCK)
        side = ratio(evidence.width[:, :1], evidence.width[:, 1:], SONG_S, USUAL_SIDE) * USUAL_SIDE
        return cls(
            np.clip(singing**MOVING_STRENGTH * singing_here**NEARBY_MOVING_STRENGTH, *MOVING_LIMITS),
            np.clip(hit**STRUCK_STRENGTH * hits_in_song**SONG_STRUCK_STRENGTH, *STRUCK_LIMITS),
            side,
        )

    def __getitem__(self, frames: slice) -> Cues:
        return Cues(self.vocals[frames], self.drums[frames], self.side[frames])


@dataclass(frozen=True, slots=True)
class _Ratio:
    """Energy over energy around each frame, in units of what is usual; that is 1 where there is silence."""

    frames_per_second: float
    silence: np.float32

    def __call__(self, part: Array, whole: Array, seconds: float, usual: float) -> Array:
        found = (self._around(part, seconds) + self.silence * usual) / (self._around(whole, seconds) + self.silence)
        return np.asarray(np.clip(found, 1e-3, 1.0) / usual, dtype=np.float32)

    def _around(self, values: Array, seconds: float) -> Array:
        width = seconds * self.frames_per_second
        return np.asarray(
            gaussian_filter1d(values, width, axis=0, mode="constant", truncate=TRUNCATE), dtype=np.float32
        )
