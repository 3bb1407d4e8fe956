"""Onset strength of a recording: how much new sound begins at each moment, read in blocks.

Two envelopes are made in one pass. The *coarse* one (about 100 frames a second, windows of 46 ms) hears soft and low onsets
and is what tempo and beats are found in; it also yields chroma. The *fine* one (about 500 frames a second, windows of 6 ms) knows
when a sound begins to within 2 ms, and is what beats are aligned with.
A frame's time is that of its window's centre. Two hours take about 60 MB.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from bridge.audio.file import AudioFile
from bridge.progress import Progress

Array = NDArray[np.float32]

#: Frames a second, before rounding to whole samples: 10 ms is a third of the shortest note that tempo is found in.
COARSE_FPS = 100.0
FINE_FPS = 500.0
#: 46 ms tells semitones of the lower middle range apart, 6 ms a flam from one stroke.
COARSE_WINDOW_S = 0.0464
FINE_WINDOW_S = 0.0058
#: Borders (Hz) of the three groups: kick and bass, voices and snare, cymbals and consonants. Above 11 kHz is little but hiss.
GROUP_EDGES_HZ = (27.5, 200.0, 2000.0, 11025.0)
BANDS_PER_OCTAVE = 4
#: Sound this far below the recording's average level is silence to the envelope.
FLOOR_DB = -50.0
#: Rise is measured against this many frames ago; as long as half a window, so that an attack counts once and whole.
COARSE_LAG = 2
FINE_LAG = 2
#: Chroma from 65 Hz to 2 kHz, one mean for each this many coarse frames: chords last longer than 0.1 s.
CHROMA_RANGE_HZ = (65.0, 2093.0)
CHROMA_STRIDE = 10


@dataclass(frozen=True, slots=True, eq=False)
class Envelopes:
    """Onset strength over time.

    Attributes
    ----------
    coarse_fps, fine_fps
        Frames a second.
    coarse
        Rise in level summed over the bands of each group, shape (frames, 3): low, middle, high.
    fine
        Rise in level summed over all bands, shape (frames,).
    chroma
        Level of each pitch class, shape (frames / `CHROMA_STRIDE`, 12).
    """

    coarse_fps: float
    fine_fps: float
    coarse: Array
    fine: Array
    chroma: Array


def measure_envelopes(audio: AudioFile, progress: Progress) -> Envelopes:
    """The onset envelopes of a recording."""
    rate = audio.sample_rate
    floor = _mean_power(audio) * 10.0 ** (FLOOR_DB / 10.0)
    coarse = _Flux(rate, COARSE_WINDOW_S, COARSE_FPS, COARSE_LAG, floor)
    fine = _Flux(rate, FINE_WINDOW_S, FINE_FPS, FINE_LAG, floor)
    chroma_of_bin = _chroma_matrix(rate, coarse.size)
    coarse_rows: list[Array] = []
    fine_rows: list[Array] = []
    chroma_rows: list[Array] = []
    done = 0
    for block in audio.blocks():
        progress.at(done / max(1, audio.length))
        done += len(block)
        mono = np.nan_to_num(block.mean(axis=1), posinf=0.0, neginf=0.0)
        _consume(mono, coarse, fine, chroma_of_bin, coarse_rows, fine_rows, chroma_rows)
    tail = np.zeros(coarse.size, np.float32)
    _consume(tail, coarse, fine, chroma_of_bin, coarse_rows, fine_rows, chroma_rows)
    return Envelopes(
        coarse.fps,
        fine.fps,
        np.concatenate(coarse_rows),
        np.concatenate(fine_rows),
        _means(np.concatenate(chroma_rows), CHROMA_STRIDE),
    )
