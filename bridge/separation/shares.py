"""How much of each layer each part gets: a table of what is usual, moved by what is heard around a moment.

For each layer and band the table gives odds of the parts, written down from how instruments sound and not fitted to recordings.
Four cues multiply them; then they are scaled to sum to one, so that the parts always sum to the mix. A share of a bin
is its expected value, which makes the least squared error when one can't be sure whose it is.

- *Voices move.* How much of the tonal energy between 300 and 3,000 Hz moves, over seconds and nearby, raises the vocals.
- *Drums strike everything at once.* How much of the energy about a moment is struck, raises the drums, also in the held
  layer: that is the kick's thump.
- *Bass and drums sit in the middle* of a stereo mix, at any time.
- *The lead voice sits more in the middle* than the rest of its own song.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from bridge.separation.layers import LAYERS, Layers
from bridge.separation.spectra import Array, power

#: The order of the columns below.
SHARED = ("bass", "drums", "melody", "vocals")

# fmt: off
#: Odds of (bass, drums, melody, vocals) in each layer, at frequencies in Hz; in between they are interpolated over log frequency.
#: A bass's fundamentals lie at 40-200 Hz, a kick's thump at 50-100 Hz, a snare's body about 200 Hz; voices begin at 100-200 Hz
#: and are strongest up to 3 kHz; above 5 kHz there are hardly any fundamentals or low partials left, but cymbals.
USUAL = {
    40:     {"held": (.60, .25, .15, .00), "moving": (.10, .85, .05, .00), "struck": (.10, .85, .05, .00)},
    80:     {"held": (.65, .20, .15, .00), "moving": (.25, .70, .05, .00), "struck": (.10, .85, .05, .00)},
    130:    {"held": (.60, .10, .30, .00), "moving": (.30, .50, .20, .00), "struck": (.15, .75, .10, .00)},
    200:    {"held": (.30, .05, .50, .15), "moving": (.15, .30, .30, .25), "struck": (.10, .55, .25, .10)},
    300:    {"held": (.10, .00, .65, .25), "moving": (.05, .15, .40, .40), "struck": (.05, .45, .30, .20)},
    600:    {"held": (.05, .00, .60, .35), "moving": (.05, .15, .30, .50), "struck": (.05, .40, .25, .30)},
    1_200:  {"held": (.00, .00, .70, .30), "moving": (.00, .15, .35, .50), "struck": (.00, .50, .20, .30)},
    2_500:  {"held": (.00, .05, .70, .25), "moving": (.00, .20, .40, .40), "struck": (.00, .65, .15, .20)},
    5_000:  {"held": (.00, .30, .50, .20), "moving": (.00, .60, .20, .20), "struck": (.00, .85, .05, .10)},
    8_000:  {"held": (.00, .60, .30, .10), "moving": (.00, .85, .05, .10), "struck": (.00, .95, .00, .05)},
    12_000: {"held": (.00, .85, .10, .05), "moving": (.00, 1.0, .00, .00), "struck": (.00, 1.0, .00, .00)},
}
# fmt: on

#: Bands in which energies are compared, in Hz: about the ear's, wider where little is decided.
BAND_EDGES = (0, 70, 110, 150, 210, 300, 450, 700, 1000, 1500, 2200, 3300, 5000, 8000, 1e9)
BAND_CENTRES = (40, 85, 130, 180, 250, 370, 560, 840, 1200, 1800, 2700, 4100, 6300, 11000)
VOICE_HZ = (300, 3300)

# Cues are powers of a ratio over its usual value: odds *= clip((ratio / usual) ** strength).
USUAL_MOVING = 0.06  # of tonal energy; a sung song has 0.05 to 0.3, a band without a singer about 0.01
MOVING_STRENGTH, NEARBY_MOVING_STRENGTH = 1.0, 0.3
MOVING_LIMITS = (np.exp(-4.0), np.exp(2.5))
USUAL_STRUCK = 0.14  # of all energy
STRUCK_STRENGTH, SONG_STRUCK_STRENGTH = 0.7, 0.3
STRUCK_LIMITS = (np.exp(-2.5), np.exp(2.5))
TAILS_STRUCK = 0.4  # of the moving layer counts as struck here: drums' tails against voices
USUAL_SIDE = 0.1
CENTRE_STRENGTH = {"bass": 0.5, "drums": 0.3, "vocals": 0.5}
SIDE_LIMITS = (np.exp(-2.0), np.exp(2.0))

# Standard deviations of the windows over which the ratios are taken.
SONG_S = 1.5  # a line of singing, with its breaths
NEARBY_S = 0.4  # a few syllables
HIT_S = 0.03  # a drum's attack
#: Ends of those windows, in standard deviations.
TRUNCATE = 3.0
#: Seconds around a moment that decide about it.
CONTEXT_S = SONG_S * TRUNCATE

#: Mean energy in a band below which nothing is decided: that of a full-scale sine in one bin, at -110 dB.
_SILENCE = 1e-11


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the shares of a stretch depend on: little data, so that seconds of it can be kept.

    Attributes
    ----------
    energy
        Of each layer in each band, (layers, frames, bands).
    width
        In stereo, energy of the side and of all between 300 and 3,300 Hz, (2, frames); else zeros.
    """

    energy: Array
    width: Array

    @property
    def frames(self) -> int:
        """Length of the stretch."""
        return self.energy.shape[1]

    @classmethod
    def of(cls, layers: Layers, frequencies: Array) -> Evidence:
        """Measure one stretch."""
        bands = _band_sums(frequencies)
        energy = np.stack([power(layers.spectra(layer)) @ bands for layer in LAYERS])
        width = np.zeros((2, energy.shape[1]), dtype=np.float32)
        if layers.side is not None:
            voiced = (frequencies >= VOICE_HZ[0]) & (frequencies < VOICE_HZ[1])
            total = power(layers.mix[:, :, voiced])
            width[:] = (total * layers.side[:, voiced]).sum(axis=1), total.sum(axis=1)
        return cls(energy, width)

    @classmethod
    def joined(cls, stretches: Sequence[Evidence]) -> Evidence:
        """Stretches that follow one another, as one."""
        return cls(
            np.concatenate([stretch.energy for stretch in stretches], axis=1),
            np.concatenate([stretch.width for stretch in stretches], axis=1),
        )


@dataclass(frozen=True, slots=True)
class Cues:
    """Factors on the odds of a stretch.

    Attributes
    ----------
    vocals, drums
        (frames, bands).
    song_side
        Share of the side in the song about a frame, (frames, 1).
    """

    vocals: Array
    drums: Array
    song_side: Array

    @classmethod
    def heard(cls, evidence: Evidence, frames_per_second: float, window_samples: int) -> Cues:
        """The cues at every frame of the evidence; those within `CONTEXT_S` of an end that isn't the song's are wrong."""

        def around(values: Array, seconds: float) -> Array:
            return gaussian_filter1d(values, seconds * frames_per_second, axis=0, mode="constant", truncate=TRUNCATE)

        silence = np.float32(_SILENCE * window_samples**2)

        def ratio(part: Array, whole: Array, seconds: float, usual: float) -> Array:
            found = (around(part, seconds) + silence * usual) / (around(whole, seconds) + silence)
            return np.clip(found, 1e-3, 1.0) / np.float32(usual)

        held, moving, struck = evidence.energy
        voice = [
            low >= VOICE_HZ[0] and high <= VOICE_HZ[1] for low, high in zip(BAND_EDGES, BAND_EDGES[1:], strict=False)
        ]
        tonal, voices = held + moving, moving[:, voice].sum(axis=1, keepdims=True)
        singing = ratio(voices, tonal[:, voice].sum(axis=1, keepdims=True), SONG_S, USUAL_MOVING) ** MOVING_STRENGTH
        singing = singing * ratio(moving, tonal, NEARBY_S, USUAL_MOVING) ** NEARBY_MOVING_STRENGTH
        hits, total = struck + TAILS_STRUCK * moving, tonal + struck
        striking = ratio(hits, total, HIT_S, USUAL_STRUCK) ** STRUCK_STRENGTH
        in_song = ratio(hits.sum(axis=1, keepdims=True), total.sum(axis=1, keepdims=True), SONG_S, USUAL_STRUCK)
        side, both = around(evidence.width.T, SONG_S).T
        return cls(
            np.clip(singing, *MOVING_LIMITS),
            np.clip(striking * in_song**SONG_STRUCK_STRENGTH, *STRUCK_LIMITS),
            np.clip((side + silence * USUAL_SIDE) / (both + silence), 0.03, 0.5)[:, None],
        )

    def __getitem__(self, frames: slice) -> Cues:
        return Cues(self.vocals[frames], self.drums[frames], self.song_side[frames])


def share_out(layers: Layers, cues: Cues, frequencies: Array) -> dict[str, NDArray[np.complex64]]:
    """Spectra of all parts but the melody, which is what they leave of the mix."""
    centred = None if layers.side is None else _centred(layers.side, cues.song_side)
    between = _interpolation(frequencies, BAND_CENTRES)
    parts = {part: np.zeros_like(layers.mix) for part in SHARED if part != "melody"}
    for layer in LAYERS:
        spectra = layers.spectra(layer)
        for part, share in _shares(layer, cues, between, centred).items():
            parts[part] += share * spectra
    return parts


def _shares(layer: str, cues: Cues, between: Array, centred: dict[str, Array] | None) -> dict[str, Array]:
    """Share of a layer's bins for each part but the melody, (frames, bins) each; with the melody's they sum to one."""
    log_centres = np.log(BAND_CENTRES)
    usual = np.array([USUAL[frequency][layer] for frequency in USUAL], dtype=np.float32)
    odds = {
        p: np.interp(log_centres, np.log(list(USUAL)), usual[:, i]).astype(np.float32) for i, p in enumerate(SHARED)
    }
    # A struck sound that is a voice's consonant is as loud as the voice, but what is struck is less telling of it.
    odds["vocals"] = odds["vocals"] * (np.sqrt(cues.vocals) if layer == "struck" else cues.vocals)
    odds["drums"] = odds["drums"] * cues.drums
    total = sum(odds.values())
    shares = {part: (value / total) @ between for part, value in odds.items()}
    if centred is not None:
        shares = {part: share * centred[part] if part in centred else share for part, share in shares.items()}
        total = sum(shares.values())
        shares = {part: share / total for part, share in shares.items()}
    del shares["melody"]
    return shares


def _centred(side: Array, song_side: Array) -> dict[str, Array]:
    """Factors on the odds for how near the middle each bin is."""
    side = np.maximum(side, np.float32(1e-3))
    factors = {}
    for part, strength in CENTRE_STRENGTH.items():
        usual = song_side if part == "vocals" else np.float32(USUAL_SIDE)
        factors[part] = np.clip(side / usual, *SIDE_LIMITS) ** np.float32(-strength)
    return factors


def _band_sums(frequencies: Array) -> Array:
    """A matrix (bins, bands) that sums the bins of each band."""
    band = np.searchsorted(BAND_EDGES, frequencies, side="right") - 1
    return (band[:, None] == np.arange(len(BAND_CENTRES))).astype(np.float32)


def _interpolation(frequencies: Array, centres: Sequence[float]) -> Array:
    """A matrix (centres, bins) that interpolates over log frequency, level beyond the ends; its columns sum to one."""
    where = np.interp(np.log(np.maximum(frequencies, 1.0)), np.log(centres), np.arange(len(centres)))
    return np.maximum(0, 1 - np.abs(where - np.arange(len(centres))[:, None])).astype(np.float32)
