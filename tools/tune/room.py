"""What lies between an instrument and a recording of it: a room, a microphone's colour, hiss."""

from __future__ import annotations

import numpy as np
from scipy.signal import butter, fftconvolve, sosfilt

Rng = np.random.Generator

_LONGEST_S = 2.5  # until it has fallen by 60 dB


def recorded(sound: np.ndarray, rate: int, rng: Rng) -> np.ndarray:
    """Mono samples of as many as `sound`, in a random room; one in four is as dry as it came."""
    out = np.asarray(sound, dtype=np.float64)
    if rng.random() < 0.75:
        wet = fftconvolve(out, _tail(rate, rng))[: len(out)]
        out = out + 10.0 ** (float(rng.uniform(-24.0, 0.0)) / 20.0) * wet * _rms(out) / (_rms(wet) + 1e-12)
    if rng.random() < 0.5:  # darker or brighter by some decibels above a corner
        above = sosfilt(butter(1, float(rng.uniform(500.0, 4000.0)), "high", fs=rate, output="sos"), out)
        out = out + (10.0 ** (float(rng.uniform(-9.0, 6.0)) / 20.0) - 1.0) * above
    hiss = sosfilt(butter(1, 3000.0, "low", fs=rate, output="sos"), rng.standard_normal(len(out)))
    return out + 10.0 ** (float(rng.uniform(-80.0, -45.0)) / 20.0) * _rms(out) / _rms(hiss) * hiss


def _tail(rate: int, rng: Rng) -> np.ndarray:
    """Noise that dies away, its highs sooner."""
    fall_s = float(np.exp(rng.uniform(np.log(0.25), np.log(_LONGEST_S))))
    time_s = np.arange(int(fall_s * rate)) / rate
    noise = rng.standard_normal(len(time_s))
    low = sosfilt(butter(1, float(rng.uniform(800.0, 4000.0)), "low", fs=rate, output="sos"), noise)
    late = (time_s > float(rng.uniform(0.0, 0.03))).astype(np.float64)
    return np.asarray(late * (low * 10.0 ** (-3.0 * time_s / fall_s) + 0.3 * noise * 10.0 ** (-6.0 * time_s / fall_s)))


def _rms(sound: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(sound))))
