"""Which tempo a recording has: how regularly its onsets come again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import uniform_filter1d

from bridge.tempo import readings
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
#: Most readings that are told.
MOST_ALTERNATIVES = 8


@dataclass(frozen=True, slots=True, eq=False)
class Onsets:
    """Onset strength over time, in local root mean squares.

    Attributes
    ----------
    strength, fps
        The curve that tempo and beats are found in, shape (frames,), and its frames a second.
    fine, fine_fps
        The curve that beats are aligned with, and its frames a second.
    streams
        The curves that readings are told apart by, at `fps`.
    """

    strength: Array
    fps: float
    fine: Array
    fine_fps: float
    streams: Mapping[str, Sequence[Array]]


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
    length = min(len(e.coarse) for e in envelopes)
    rises = [np.maximum(e.coarse[:length].astype(np.float64) - NOISE_RISE, 0.0) for e in envelopes]
    fps, fine_fps = envelopes[0].coarse_fps, envelopes[0].fine_fps
    coarse = [_balanced(_joined(rise), fps) for rise in rises]
    fine = [_balanced(_joined(e.fine.astype(np.float64)[:, None] - NOISE_RISE), e.fine_fps) for e in envelopes]
    bands = [_balanced(rise, fps) for rise in rises]
    return Onsets(_sum(coarse), fps, _sum(fine), fine_fps, readings.streams_of(envelopes, bands))


def estimate_tempo(onsets: Onsets) -> TempoEstimate | None:
    """The likeliest tempo of a recording, or None where it has no pulse."""
    regularity, steps, proof = readings_of(onsets)
    chance = CHANCE / np.sqrt(max(1.0, len(onsets.strength) / onsets.fps))
    if onset_count(onsets.strength) < MIN_ONSETS or len(steps) == 0:
        return None
    likely = readings.probabilities(proof)
    order = np.argsort(-likely)
    best = regularity[steps[order[0]]]
    if best <= chance:
        return None
    clarity = 1.0 - np.exp(-(best / chance - 1.0) / 2.0)
    first, *others = readings.BPMS[steps[order]]
    return TempoEstimate(float(first), float(clarity * likely[order[0]]), tuple(map(float, others[:MOST_ALTERNATIVES])))


def readings_of(onsets: Onsets) -> tuple[Array, NDArray[np.intp], Array]:
    """Regularity at each of `readings.BPMS`, the steps of the readings among these, and what speaks for each."""
    fps = onsets.fps
    regularity = regularity_of(mean_autocorrelation(onsets.strength, fps), fps, readings.BPMS)
    correlations = {
        name: np.mean([mean_autocorrelation(curve, fps) for curve in curves], axis=0)
        for name, curves in onsets.streams.items()
    }
    steps = readings.candidates(regularity)
    rate = onset_count(onsets.strength) / max(1.0, len(onsets.strength) / fps)
    return regularity, steps, readings.evidence(regularity, correlations, fps, rate, steps)


def onset_count(strength: Array) -> int:
    """How many clear onsets there are: rises to twice the local root mean square."""
    clear = strength > 2.0
    return int(np.count_nonzero(clear[1:] & ~clear[:-1]))


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
    return np.asarray(np.sum([curve[:length, 0] for curve in curves], axis=0))


def _joined(rises: Array) -> Array:
    """Rises (frames, groups) as one curve (frames, 1), each group by its weight over its own deviation."""
    rises = np.maximum(rises, 0.0)
    weights = np.array(GROUP_WEIGHTS if rises.shape[1] == len(GROUP_WEIGHTS) else (1.0,))
    return np.asarray((rises @ (weights / np.maximum(rises.std(axis=0), 1e-3)))[:, None])


def _balanced(curves: Array, fps: float) -> Array:
    """Curves (frames, n) of even loudness, each standing out from its surroundings."""
    curves = np.maximum(0.0, curves - uniform_filter1d(curves, round(CONTRAST_S * fps), axis=0))
    power = uniform_filter1d(curves**2, round(LOUDNESS_S * fps), axis=0)
    return np.asarray(curves / np.sqrt(power + LOUDNESS_FLOOR * np.mean(curves**2, axis=0) + 1e-12))
