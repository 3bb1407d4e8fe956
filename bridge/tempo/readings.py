"""Which of the tempos that a pulse can be read at is the beat: half, double and other readings, weighed by how drums,
bass and harmony come again at each.

A reading's score is the sum of its evidence by the table `WEIGHTS`; the probability of a reading is the softmax of the
scores (a conditional logit), which makes it a calibrated confidence too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, uniform_filter1d
from scipy.special import softmax

from bridge.tempo.envelope import Envelopes

Array = NDArray[np.float64]

#: Tempos looked at, in steps of 1/96 octave (0.7 %); each is refined later.
SLOWEST_BPM, FASTEST_BPM = 40.0, 300.0
STEPS_PER_OCTAVE = 96
BPMS = SLOWEST_BPM * 2.0 ** np.arange(0.0, np.log2(FASTEST_BPM / SLOWEST_BPM), 1.0 / STEPS_PER_OCTAVE)
#: A reading is the most regular tempo within 3 %.
NEAR_STEPS = STEPS_PER_OCTAVE // 24
#: The middle of the tempos that listeners prefer (Moelants 2002).
PREFERRED_BPM = 120.0
#: Harmony is new where the 0.8 s after differ from the 0.8 s before, more than in the 2 s around.
HARMONY_S, HARMONY_CONTRAST_S = 0.8, 2.0
#: Multiples of a reading's period at which sounds may come again.
MULTIPLES = (1 / 2, 1.0, 2.0, 4.0)
#: What speaks for a reading, chosen by ``make tune-tempo`` on recordings made for it. By row: how surely onsets in
#: a band, kick and snare as one, and new harmony come again after each of `MULTIPLES` of a period.
WEIGHTS: Mapping[str, tuple[float, ...]] = {
    "low": (-1.51, 0.59, -0.66, 1.55),
    "middle": (-1.37, 0.40, 0.13, 0.24),
    "high": (1.14, 2.76, 2.91, 0.54),
    "low and middle": (2.57, 2.16, -0.83, 0.53),
    "harmony": (-0.03, 0.33, -0.46, 0.66),
}
#: And these: logarithm of the regularity against the best reading's; tempos far from 120 BPM (squared octaves), fast
#: ones (octaves); onsets a beat far from two (squared octaves).
REGULARITY_WEIGHT, FAR_WEIGHT, FAST_WEIGHT, DENSITY_WEIGHT = 0.76, -2.28, 1.24, -0.47


def streams_of(envelopes: Sequence[Envelopes], bands: Sequence[Array]) -> dict[str, list[Array]]:
    """The curves that tell readings apart, at the mix's coarse frames, by the names in `WEIGHTS`; what is heard in the
    mix and in the drums counts alike, since separated drums may lack what matters.

    Parameters
    ----------
    envelopes
        Of the mix and, where known, of the drums.
    bands
        Balanced onset curves (frames, 3) of the same.
    """
    low, middle, high = ([source[:, band] for source in bands] for band in range(3))
    together = [source[:, 0] + source[:, 1] for source in bands]
    harmony = [_new_harmony(envelopes[0], len(bands[0]))]
    return {"low": low, "middle": middle, "high": high, "low and middle": together, "harmony": harmony}


def evidence(
    regularity: Array, correlations: Mapping[str, Array], fps: float, onsets_per_s: float, steps: NDArray[np.intp]
) -> Array:
    """What speaks for the tempos `BPMS[steps]`, shape (readings, kinds of evidence), in the order of `weights`.

    Parameters
    ----------
    regularity
        At each of `BPMS`.
    correlations
        Autocorrelation of each of the streams, by lag in frames; the mean where there are several.
    fps
        Frames a second.
    onsets_per_s
        Clear onsets a second.
    steps
        Which of `BPMS`.
    """
    bpms = BPMS[steps]
    octaves = np.log2(bpms / PREFERRED_BPM)
    density = np.log2(max(onsets_per_s, 1e-3) * 60.0 / bpms) - 1.0
    best = max(float(regularity.max()), 1e-3)
    columns = [np.log(np.maximum(regularity[steps], 1e-3) / best), octaves**2, octaves, density**2]
    for name in WEIGHTS:
        lags = np.arange(len(correlations[name]))
        columns += [np.interp(part * 60.0 * fps / bpms, lags, correlations[name], right=0.0) for part in MULTIPLES]
    return np.column_stack(columns)


def weights() -> Array:
    """The weights of all kinds of evidence, in the order of `evidence`."""
    table = [weight for row in WEIGHTS.values() for weight in row]
    return np.array([REGULARITY_WEIGHT, FAR_WEIGHT, FAST_WEIGHT, DENSITY_WEIGHT, *table])


def candidates(regularity: Array) -> NDArray[np.intp]:
    """Steps of the readings: regular tempos that are more so than all within 3 %."""
    highest = maximum_filter1d(regularity, 2 * NEAR_STEPS + 1)
    return np.flatnonzero((regularity >= highest) & (regularity > 0.0))


def probabilities(proof: Array) -> Array:
    """How likely each reading is, by its evidence."""
    return np.asarray(softmax(proof @ weights()))


def _new_harmony(envelopes: Envelopes, frames: int) -> Array:
    """How new the harmony is at each coarse frame, 0 where it is no newer than around."""
    reach, rows = round(HARMONY_S * envelopes.chroma_fps), len(envelopes.chroma)
    chroma = envelopes.chroma / np.maximum(np.linalg.norm(envelopes.chroma, axis=1, keepdims=True), 1e-9)
    sums = np.concatenate([np.zeros((1, 12)), np.cumsum(chroma, axis=0, dtype=np.float64)])
    row = np.arange(rows)
    after, before = sums[np.minimum(rows, row + reach)] - sums[row], sums[row] - sums[np.maximum(0, row - reach)]
    norms = np.linalg.norm(after, axis=1) * np.linalg.norm(before, axis=1)
    change = np.where(norms > 0.0, 1.0 - np.sum(after * before, axis=1) / np.maximum(norms, 1e-9), 0.0)
    change = np.maximum(0.0, change - uniform_filter1d(change, round(HARMONY_CONTRAST_S * envelopes.chroma_fps)))
    return np.asarray(np.interp(np.arange(frames) * envelopes.chroma_fps / envelopes.coarse_fps, row, change))
