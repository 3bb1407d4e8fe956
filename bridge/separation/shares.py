"""How much of each layer each part gets: a table of what is usual, moved by cues and by the place in the stereo image.

The table gives odds of the parts; `bridge.separation.cues` and the stereo image multiply them; then they are scaled to
sum to one, so the parts sum to the mix. A share is an expected value, which has the least squared error in doubt.
"""

from __future__ import annotations

import numpy as np

from bridge.audio.spectra import Array, Spectra
from bridge.separation.cues import BAND_CENTRES, Cues
from bridge.separation.layers import LAYERS, Layers

#: The order of the columns below.
SHARED = ("bass", "drums", "melody", "vocals")

# fmt: off
#: Odds of (bass, drums, melody, vocals) in each layer at frequencies in Hz, interpolated over log frequency. Set by
#: hand: a bass's fundamentals lie at 40-200 Hz, a kick's thump at 50-100 Hz, a snare's body about 200 Hz; voices begin
#: at 100-200 Hz and are strongest up to 3 kHz; above 5 kHz there are hardly any low partials left, but cymbals.
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

#: Odds fall with this power of a bin's side over the side of the whole song about it: bass, drums and the lead voice
#: sit nearer the middle than the rest. Of the song, as some are wide throughout and some are mono in two channels.
CENTRE_STRENGTH = {"bass": 0.5, "drums": 0.3, "vocals": 0.5}
#: How far from usual counts: 7 times less or more.
CENTRE_LIMITS = (1 / 7, 7.0)
#: Added to both sides compared: what a voice's reverberation has at least.
LEAST_SIDE = 0.02


def share_out(layers: Layers, cues: Cues, frequencies: Array) -> dict[str, Spectra]:
    """Spectra (channels, frames, bins) of all parts but the melody, which is what they leave of the mix."""
    between = _interpolation(frequencies)
    centred = {} if layers.side is None else _centred(layers.side, cues.side)
    parts = {part: np.zeros_like(layers.mix) for part in SHARED if part != "melody"}
    for layer in LAYERS:
        shares = {part: share @ between for part, share in _band_shares(layer, cues).items()}
        if centred:
            shares = _scaled({part: share * centred.get(part, 1.0) for part, share in shares.items()})
        spectra = layers.spectra(layer)
        for part, own in parts.items():
            own += shares[part] * spectra
    return parts


def _band_shares(layer: str, cues: Cues) -> dict[str, Array]:
    """Shares of a layer, (frames, bands) each."""
    frequencies = np.log(np.array(list(USUAL)))
    odds = np.array([row[layer] for row in USUAL.values()])
    usual = {
        part: np.interp(np.log(BAND_CENTRES), frequencies, odds[:, column]).astype(np.float32)
        for column, part in enumerate(SHARED)
    }
    # What is struck is only now and then a voice's consonant, so singing says less about it.
    vocals = np.sqrt(cues.vocals) if layer == "struck" else cues.vocals
    factors: dict[str, Array | float] = {"drums": cues.drums, "vocals": vocals}
    return _scaled({part: value * factors.get(part, 1.0) for part, value in usual.items()})


def _scaled(odds: dict[str, Array]) -> dict[str, Array]:
    """Odds as shares, which sum to one."""
    first, *others = odds.values()
    total = sum(others, start=first)
    return {part: value / total for part, value in odds.items()}


def _centred(side: Array, song_side: Array) -> dict[str, Array]:
    """Factors on the odds of parts for how near the middle each bin is."""
    wider: Array = np.clip((side + LEAST_SIDE) / (song_side + LEAST_SIDE), *CENTRE_LIMITS)
    return {part: wider**-strength for part, strength in CENTRE_STRENGTH.items()}


def _interpolation(frequencies: Array) -> Array:
    """A matrix (bands, bins) that interpolates over log frequency, level beyond the ends; its columns sum to one."""
    bands = np.arange(len(BAND_CENTRES))
    where = np.interp(np.log(np.maximum(frequencies, 1.0)), np.log(BAND_CENTRES), bands)
    weights: Array = np.maximum(0, 1 - np.abs(where - bands[:, None])).astype(np.float32)
    return weights
