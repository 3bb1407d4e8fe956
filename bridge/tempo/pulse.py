"""Which tempo a recording has: how regularly its onsets come again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import uniform_filter1d

from bridge.tempo.envelope import Envelopes

Array = NDArray[np.float64]

#: Weight of low, middle and high onsets: where they disagree, the kick and bass mark the beat and hi-hats the off-beat.
GROUP_WEIGHTS = (2.0, 1.0, 1.0)
#: A mean rise of less than 1.5 dB is noise's own flutter, not an onset.
NOISE_RISE = 0.15
#: Onsets stand out from the mean of 0.4 s around them, and are scaled by the 6 s around them, so that a verse counts
#: like a chorus; but no passage is raised to more than about four times its strength.
CONTRAST_S = 0.4
LOUDNESS_S = 6.0
LOUDNESS_FLOOR = 0.05
#: Tempos looked at, in steps of 1/96 octave (0.7 %); each is refined later.
SLOWEST_BPM, FASTEST_BPM = 40.0, 240.0
STEPS_PER_OCTAVE = 96
#: The middle and width (octaves) of the tempos that listeners prefer (Moelants 2002: near 120, resonance about an
#: octave wide).
PREFERRED_BPM, PREFERENCE_OCTAVES = 120.0, 1.0
#: Autocorrelation windows: four beats of the slowest tempo need 6 s twice.
WINDOW_S, WINDOW_STEP_S = 12.0, 3.0
#: A beat comes again after one, two and four periods in all music that has beats; three only in some. The first counts
#: double: where nothing comes after one period, the beat is slower.
MULTIPLES = (1, 2, 4)
MULTIPLE_WEIGHTS = (2.0, 1.0, 1.0)
#: Regularity that random onsets reach by chance over T seconds is about 0.25 / sqrt(T) (median 0.2, nine in ten below
#: 0.3, measured on noise and on Poisson clicks of 5 to 100 s).
CHANCE = 0.25
#: Three equal steps make a pulse.
MIN_ONSETS = 4
#: How sharply being preferred over another tempo counts as being sure of it.
SHARPNESS = 4.0
#: Another reading of the same pulse is one of these times as fast.
RATIOS = (0.5, 2.0, 2 / 3, 1.5, 1 / 3, 3.0, 0.75, 4 / 3)


@dataclass(frozen=True, slots=True, eq=False)
class Onsets:
    """Onset strength over time, in local root mean squares.

    Attributes
    ----------
    strength, fps
        The curve that tempo and beats are found in, shape (frames,), and its frames a second.
    fine, fine_fps
        The curve that beats are aligned with, and its frames a second.
    """

    strength: Array
    fps: float
    fine: Array
    fine_fps: float


@dataclass(frozen=True, slots=True)
class TempoEstimate:
    """The tempo, to about a percent.

    Attributes
    ----------
    bpm
        Beats a minute.
    confidence
        0 (no pulse) to 1: that there is a pulse, times that this reading of it is preferred.
    alternatives_bpm
        Other readings, likeliest first.
    """

    bpm: float
    confidence: float
    alternatives_bpm: tuple[float, ...]


def onsets_of(envelopes: Sequence[Envelopes]) -> Onsets:
    """The onsets of a recording, from the envelopes of its mix and, where known, of its drums."""
    coarse = [_balanced(e.coarse.astype(np.float64) - NOISE_RISE, e.coarse_fps) for e in envelopes]
    fine = [_balanced(e.fine.astype(np.float64)[:, None] - NOISE_RISE, e.fine_fps) for e in envelopes]
    return Onsets(_sum(coarse), envelopes[0].coarse_fps, _sum(fine), envelopes[0].fine_fps)


def estimate_tempo(onsets: Onsets) -> TempoEstimate | None:
    """The likeliest tempo of a recording, or None where it has no pulse."""
    strength, fps = onsets.strength, onsets.fps
    if _onset_count(strength) < MIN_ONSETS:
        return None
    duration_s = len(strength) / fps
    bpms = SLOWEST_BPM * 2.0 ** np.arange(0.0, np.log2(FASTEST_BPM / SLOWEST_BPM), 1.0 / STEPS_PER_OCTAVE)
    regularity = regularity_of(mean_autocorrelation(strength, fps), fps, bpms)
    likelihood = np.maximum(regularity, 0.0) * preference(bpms)
    best = int(np.argmax(likelihood))
    chance = CHANCE / np.sqrt(max(1.0, duration_s))
    if regularity[best] <= chance:
        return None
    others = _other_readings(bpms, likelihood, best)
    rivals = np.array([likelihood[index] for index in others]) / likelihood[best]
    clarity = 1.0 - np.exp(-(regularity[best] / chance - 1.0) / 2.0)
    return TempoEstimate(
        float(bpms[best]),
        float(clarity / (1.0 + np.sum(rivals**SHARPNESS))),
        tuple(float(bpms[index]) for index in others),
    )


def _onset_count(strength: Array) -> int:
    """How many clear onsets there are: rises to twice the local root mean square."""
    clear = strength > 2.0
    return int(np.count_nonzero(clear[1:] & ~clear[:-1]))


def preference(bpms: Array) -> Array:
    """How much listeners prefer tempos, 1 at best."""
    preferred: Array = np.exp(-0.5 * (np.log2(bpms / PREFERRED_BPM) / PREFERENCE_OCTAVES) ** 2)
    return preferred


def autocorrelations(strength: Array, fps: float) -> Array:
    """Normalised autocorrelation of each window, shape (windows, lags in frames), free of the windows' own taper."""
    size = min(len(strength), round(WINDOW_S * fps))
    step = max(1, round(WINDOW_STEP_S * fps))
    starts = range(0, len(strength) - size + 1, step)
    taper = np.sqrt(np.hanning(size + 2)[1:-1])
    padded = fft.next_fast_len(2 * size, real=True)
    taper_itself = fft.irfft(np.abs(fft.rfft(taper, padded)) ** 2, padded)[:size]
    rows: list[Array] = []
    for start in starts:
        window = strength[start : start + size]
        spectrum = fft.rfft((window - window.mean()) * taper, padded)
        correlation = fft.irfft(np.abs(spectrum) ** 2, padded)[:size]
        rows.append(correlation / (correlation[0] + 1e-12))
    return np.asarray(np.array(rows) / np.maximum(0.1, taper_itself / taper_itself[0]))


def mean_autocorrelation(strength: Array, fps: float) -> Array:
    """The mean over all windows, shape (lags in frames,)."""
    return np.asarray(autocorrelations(strength, fps).mean(axis=0))


def regularity_of(correlation: Array, fps: float, bpms: Array) -> Array:
    """How well onsets come again at each tempo: the autocorrelation at `MULTIPLES` of the period, shape like `bpms`."""
    lags = np.arange(len(correlation))
    at_multiples = [np.interp(count * 60.0 * fps / bpms, lags, correlation, right=0.0) for count in MULTIPLES]
    return np.asarray(np.average(at_multiples, axis=0, weights=MULTIPLE_WEIGHTS))


def _sum(curves: Sequence[Array]) -> Array:
    """The sum of curves over the stretch that all of them cover."""
    length = min(map(len, curves))
    return np.asarray(np.sum([curve[:length] for curve in curves], axis=0))


def _balanced(rises: Array, fps: float) -> Array:
    """Rises (frames, groups) as one curve (frames,) of even loudness."""
    rises = np.maximum(rises, 0.0)
    weights = np.array(GROUP_WEIGHTS if rises.shape[1] == len(GROUP_WEIGHTS) else (1.0,))
    curve = rises @ (weights / np.maximum(rises.std(axis=0), 1e-3))
    curve = np.maximum(0.0, curve - uniform_filter1d(curve, round(CONTRAST_S * fps)))
    power = uniform_filter1d(curve**2, round(LOUDNESS_S * fps))
    return np.asarray(curve / np.sqrt(power + LOUDNESS_FLOOR * np.mean(curve**2) + 1e-12))


def _other_readings(bpms: Array, likelihood: Array, best: int) -> list[int]:
    """Indices of the tempos at simple ratios to the best, likeliest first; each at its own peak nearby."""
    found = []
    near = STEPS_PER_OCTAVE // 24  # 3 %
    for ratio in RATIOS:
        centre = best + round(np.log2(ratio) * STEPS_PER_OCTAVE)
        low, high = max(0, centre - near), min(len(bpms), centre + near + 1)
        if low < high:
            found.append(low + int(np.argmax(likelihood[low:high])))
    ranked = sorted(found, key=lambda index: -likelihood[index])
    return [index for index in ranked if likelihood[index] > 0.0]
