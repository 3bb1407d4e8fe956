"""Where exactly a stroke begins: the steepest rise near the moment that a network names.

Frames of 10 ms name a stroke to a few milliseconds; the audio itself says it better, where the stroke stands out.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from bridge.audio.file import AudioFile
from bridge.drums.kit_features import Array

#: How far from the named moment the stroke is sought (s).
SEARCH_S = 0.012
#: Energy is compared in steps this long (s): two milliseconds against the three before them.
STEP_S = 0.0005
_BEFORE_STEPS, _AFTER_STEPS = 6, 4
#: A rise of less than this (dB) is no attack: the named moment stands.
LEAST_RISE_DB = 6.0
#: How much nearer rises are preferred: this many dB are given up for each millisecond away.
DB_PER_MS = 0.4
#: A rise from before the recording begins counts as no more than this (dB): a loop may begin with a stroke, but where
#: noise begins nothing is struck.
MOST_FROM_NOTHING_DB = 20.0

_SILENCE = 1e-12  # energy of a step, far below any dither


def attack(audio: AudioFile, onset_s: float) -> float:
    """The moment near `onset_s` at which the audio rises most."""
    rate = audio.sample_rate
    step = max(1, round(STEP_S * rate))
    reach = round(SEARCH_S / STEP_S)
    first = round(onset_s * rate) - (reach + _BEFORE_STEPS) * step
    samples = audio.read(first - 1, first + (2 * reach + _BEFORE_STEPS + _AFTER_STEPS) * step)
    rises = rise_db(samples.mean(axis=1), step)
    distance_ms = np.abs(np.arange(len(rises)) - reach) * STEP_S * 1000
    from_nothing = first + np.arange(len(rises)) * step < 0
    rises = np.where(from_nothing, np.minimum(rises, MOST_FROM_NOTHING_DB), rises)
    best = int((rises - DB_PER_MS * distance_ms).argmax())
    if rises[best] < LEAST_RISE_DB:
        return onset_s
    return max(0.0, (first + (best + _BEFORE_STEPS) * step) / rate)


def rise_db(samples: Array, step: int) -> Array:
    """How far the energy after each step exceeds that before it (dB); differences stress what is struck."""
    energy = np.square(np.diff(samples))
    energy = energy[: len(energy) // step * step].reshape(-1, step).sum(axis=1)
    before = sliding_window_view(energy, _BEFORE_STEPS).mean(axis=1)[:-_AFTER_STEPS]
    after = sliding_window_view(energy, _AFTER_STEPS).mean(axis=1)[_BEFORE_STEPS:]
    return np.asarray(10 * np.log10((after + _SILENCE) / (before + _SILENCE)), dtype=np.float32)
