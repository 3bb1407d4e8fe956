"""Toms by pitch: high, mid and low, as a drummer has them from left to right."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from bridge.audio.file import AudioFile

#: Where a tom's fundamental is sought (Hz).
LOWEST_HZ, HIGHEST_HZ = 60.0, 350.0
#: A single tom is high, mid or low by itself: a 10-inch tom is tuned to about 170 Hz, a 12-inch to 140, a 16-inch
#: floor tom to 85.
HIGH_FROM_HZ, LOW_TO_HZ = 155.0, 110.0
#: Pitches closer than this (semitones) are one drum.
SAME_DRUM = 2.0

_SKIP_S, _LOOK_S = 0.01, 0.15  # the stick's noise, then long enough for 7 Hz


def tom_pitch(audio: AudioFile, onset_s: float) -> float:
    """The strongest frequency (Hz) between `LOWEST_HZ` and `HIGHEST_HZ` after a hit at `onset_s`."""
    import scipy.fft

    start = round((onset_s + _SKIP_S) * audio.sample_rate)
    samples = audio.read(start, start + max(8, round(_LOOK_S * audio.sample_rate))).mean(axis=1)
    size = scipy.fft.next_fast_len(max(len(samples), audio.sample_rate))  # bins of 1 Hz or less
    spectrum = np.abs(scipy.fft.rfft(samples * np.hanning(len(samples)), size))
    hertz = np.arange(len(spectrum)) * (audio.sample_rate / size)
    inside = (hertz >= LOWEST_HZ) & (hertz <= HIGHEST_HZ)
    return float(hertz[inside][spectrum[inside].argmax()])


def tom_names(pitches_hz: list[float]) -> list[str]:
    """``tom_high``, ``tom_mid`` or ``tom_low`` of each hit by its pitch.

    Pitches are gathered into drums. A single drum is judged by its pitch alone; of two or more the highest third of
    the drums is high, and so on.
    """
    drums = _drums(pitches_hz)
    centres = sorted({*drums}, reverse=True)
    if not centres:
        return []
    if len(centres) == 1:
        name = "tom_high" if centres[0] >= HIGH_FROM_HZ else "tom_low" if centres[0] < LOW_TO_HZ else "tom_mid"
        return [name] * len(drums)
    names = ("tom_high", "tom_mid", "tom_low")
    rank = {centre: round(2 * place / (len(centres) - 1)) for place, centre in enumerate(centres)}
    return [names[rank[centre]] for centre in drums]


def _drums(pitches_hz: list[float]) -> list[float]:
    """The pitch of the drum that each hit belongs to: the median of a run of pitches without a gap."""
    order: NDArray[np.int64] = np.argsort(pitches_hz, kind="stable")
    drums = list(pitches_hz)
    run: list[int] = []
    for place, hit in enumerate(order):
        run.append(int(hit))
        following = order[place + 1] if place + 1 < len(order) else None
        if following is None or 12 * math.log2(pitches_hz[following] / pitches_hz[hit]) > SAME_DRUM:
            middle = float(np.median([pitches_hz[i] for i in run]))
            for i in run:
                drums[i] = middle
            run = []
    return drums
