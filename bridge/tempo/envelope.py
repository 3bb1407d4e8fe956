"""Onset strength of a recording: how much new sound begins at each moment, read in blocks.

Two envelopes are made in one pass. The *coarse* one (about 100 frames a second, windows of 46 ms) hears soft and low
onsets and is what tempo, beats and bars are found in; it comes with chroma. The *fine* one (about 500 frames a second,
windows of 6 ms) knows when a sound begins to within 2 ms, and is what beats are aligned with. Rises are in bels (10
dB), averaged over frequency bands. Two hours take about 30 MB.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from bridge.audio.file import AudioFile
from bridge.progress import Progress

Array = NDArray[np.float32]

#: Frames a second, before the hop is rounded to whole samples.
COARSE_FPS = 100.0
FINE_FPS = 500.0
#: 46 ms (2,048 samples at 44.1 kHz) tells the notes of a melody apart; 6 ms (256) tells a flam from one stroke.
COARSE_WINDOW_S = 2048 / 44100
FINE_WINDOW_S = 256 / 44100
#: Borders (Hz) of the three groups of bands: kick and bass, voices and snare, cymbals and consonants. Above is mostly
#: hiss.
GROUP_EDGES_HZ = (27.5, 200.0, 2000.0, 11025.0)
#: Bands an octave: a quarter of an octave is coarse enough that no single partial fills a group.
COARSE_BANDS_PER_OCTAVE = 4
FINE_BANDS_PER_OCTAVE = 2
FINE_LOWEST_HZ = 100.0
#: A rise is counted from this many frames ago: with less, a slow attack is cut up; with more, two attacks run together.
LAG_FRAMES = 2
#: Sound 50 dB below the recording's mean power is silence to the envelopes.
FLOOR = 1e-5
#: Power (full scale is 1) that counts as silence whatever the recording: the rounding of 16 bits.
SILENCE = 1e-10
#: Chroma are taken from 65 Hz to 2,093 Hz (C2 to C7), one mean row for this many coarse frames: chords last longer than
#: 0.1 s.
CHROMA_RANGE_HZ = (65.4, 2093.0)
CHROMA_STRIDE = 10


@dataclass(frozen=True, slots=True, eq=False)
class Envelopes:
    """Onset strength over time. Frame k is centred on second k / fps.

    Attributes
    ----------
    duration_s
        Length of the recording.
    coarse_fps, fine_fps, chroma_fps
        Frames a second.
    coarse
        Rise in level of each group of bands, shape (frames, 3): low, middle, high.
    fine
        Rise in level over all bands, shape (frames,).
    chroma
        Amplitude of each pitch class, shape (frames, 12).
    """

    duration_s: float
    coarse_fps: float
    fine_fps: float
    coarse: Array
    fine: Array
    chroma: Array

    @property
    def chroma_fps(self) -> float:
        """Rows of `chroma` a second."""
        return self.coarse_fps / CHROMA_STRIDE


def measure_envelopes(audio: AudioFile, progress: Progress) -> Envelopes:
    """The onset envelopes of a recording."""
    rate = audio.sample_rate
    floor = max(SILENCE, FLOOR * _mean_power(audio))
    coarse, fine = _Spectra(rate, COARSE_WINDOW_S, COARSE_FPS), _Spectra(rate, FINE_WINDOW_S, FINE_FPS)
    centres_hz, coarse_bands = _bands(rate, coarse.size, GROUP_EDGES_HZ[0], COARSE_BANDS_PER_OCTAVE)
    _, fine_bands = _bands(rate, fine.size, FINE_LOWEST_HZ, FINE_BANDS_PER_OCTAVE)
    groups, chroma_of_bin = _groups(centres_hz), _chroma_matrix(rate, coarse.size)
    coarse_rise, fine_rise = _Rise(coarse_bands.shape[1]), _Rise(fine_bands.shape[1])
    coarse_rows, fine_rows, chroma_rows = [], [], []
    read = 0
    blocks = audio.blocks()
    while read < audio.length + coarse.size:
        block = next(blocks, None)
        if block is None:
            mono = np.zeros(coarse.size + audio.length - read, np.float32)
        else:
            mono = np.nan_to_num(block.mean(axis=1), nan=0.0, posinf=0.0, neginf=0.0)
        read += len(mono)
        progress.at(read / (audio.length + coarse.size))
        power = coarse.push(mono)
        coarse_rows.append(coarse_rise.push(_levels(power @ coarse_bands, floor)) @ groups)
        chroma_rows.append(np.sqrt(power) @ chroma_of_bin)
        fine_rows.append(fine_rise.push(_levels(fine.push(mono) @ fine_bands, floor)).mean(axis=1))
    return Envelopes(
        audio.duration_s,
        coarse.fps,
        fine.fps,
        _inside(np.concatenate(coarse_rows), audio, coarse),
        _inside(np.concatenate(fine_rows), audio, fine),
        _means(np.concatenate(chroma_rows)[: audio.length // coarse.hop + 1]),
    )


class _Spectra:
    """Cuts a stream of samples into overlapping windows and yields their power spectra; frame k is centred on sample k
    hop.
    """

    def __init__(self, rate: int, window_s: float, fps: float) -> None:
        self.size = fft.next_fast_len(round(window_s * rate), real=True)
        self.hop = max(1, round(rate / fps))
        self.fps = rate / self.hop
        window = np.hanning(self.size + 1)[: self.size]
        self._window = (window / np.sqrt(np.sum(window**2))).astype(np.float32)
        self._waiting = np.zeros(self.size // 2, np.float32)

    def push(self, mono: Array) -> Array:
        """Power spectra (frames, bins) of the windows that `mono` completes."""
        samples = np.concatenate([self._waiting, mono])
        count = max(0, (len(samples) - self.size) // self.hop + 1)
        self._waiting = samples[count * self.hop :]
        if count == 0:
            return np.zeros((0, self.size // 2 + 1), np.float32)
        frames = np.lib.stride_tricks.sliding_window_view(samples, self.size)[:: self.hop][:count]
        spectra = fft.rfft(frames * self._window, axis=1)
        power: Array = np.square(spectra.real) + np.square(spectra.imag)
        return power


class _Rise:
    """How far each band rose over `LAG_FRAMES`; a partial that only glides into the band beside it is no rise
    (SuperFlux).
    """

    def __init__(self, bands: int) -> None:
        self._before = np.zeros((LAG_FRAMES, bands), np.float32)

    def push(self, levels: Array) -> Array:
        """Rises (frames, bands), 0 and up, of the frames that follow the ones before."""
        history = np.concatenate([self._before, levels])
        self._before = history[len(levels) :]
        past = history[: len(levels)]
        widest = past.copy()
        np.maximum(widest[:, 1:], past[:, :-1], out=widest[:, 1:])
        np.maximum(widest[:, :-1], past[:, 1:], out=widest[:, :-1])
        rise: Array = np.maximum(levels - widest, np.float32(0.0))
        return rise


def _levels(power: Array, floor: float) -> Array:
    """Power in bels above the floor."""
    levels: Array = np.log10(1.0 + power / np.float32(floor))
    return levels


def _mean_power(audio: AudioFile) -> float:
    """Mean power of a recording, from up to 64 places."""
    piece = 1 << 13
    starts = np.unique(np.linspace(0, max(0, audio.length - piece), 64).astype(int))
    pieces = [np.nan_to_num(audio.read(int(start), int(start) + piece), posinf=0.0, neginf=0.0) for start in starts]
    return float(np.mean([np.mean(np.square(piece.mean(axis=1), dtype=np.float64)) for piece in pieces]))


def _bands(rate: int, size: int, lowest_hz: float, bands_per_octave: int) -> tuple[NDArray[np.float64], Array]:
    """Centre frequencies of the bands, and the matrix (bins, bands) that sums a spectrum into them; no band is
    empty.
    """
    highest_hz = min(GROUP_EDGES_HZ[-1], rate / 2)
    count = max(1, round(np.log2(highest_hz / lowest_hz) * bands_per_octave))
    edges_hz = np.geomspace(lowest_hz, highest_hz, count + 1)
    bins_hz = np.fft.rfftfreq(size, 1.0 / rate)
    inside = (bins_hz[:, None] >= edges_hz[:-1]) & (bins_hz[:, None] < edges_hz[1:])
    used = inside.any(axis=0)
    return np.sqrt(edges_hz[:-1] * edges_hz[1:])[used], inside[:, used].astype(np.float32)


def _groups(centres_hz: NDArray[np.float64]) -> Array:
    """The matrix (bands, 3) that averages bands into groups."""
    member = np.digitize(centres_hz, GROUP_EDGES_HZ[1:-1])[:, None] == np.arange(3)
    groups: Array = (member / np.maximum(1, member.sum(axis=0))).astype(np.float32)
    return groups


def _chroma_matrix(rate: int, size: int) -> Array:
    """The matrix (bins, 12) that sums a spectrum into pitch classes, 0 = C."""
    bins_hz = np.fft.rfftfreq(size, 1.0 / rate)
    inside = (bins_hz >= CHROMA_RANGE_HZ[0]) & (bins_hz <= CHROMA_RANGE_HZ[1])
    pitch = np.round(69.0 + 12.0 * np.log2(np.maximum(bins_hz, 1.0) / 440.0)).astype(int)
    matrix: Array = ((pitch[:, None] % 12 == np.arange(12)) & inside[:, None]).astype(np.float32)
    return matrix


def _inside(rows: Array, audio: AudioFile, spectra: _Spectra) -> Array:
    """The rows inside the recording, without the clicks that windows hear where it is cut from longer sound."""
    rows = rows[: audio.length // spectra.hop + 1]
    rows[: spectra.size // 2 // spectra.hop + LAG_FRAMES + 1] = 0.0
    rows[max(0, (audio.length - spectra.size // 2) // spectra.hop) :] = 0.0
    return rows


def _means(chroma: Array) -> Array:
    """Means of each `CHROMA_STRIDE` rows."""
    padded = np.concatenate([chroma, np.zeros((-len(chroma) % CHROMA_STRIDE, 12), np.float32)])
    means: Array = padded.reshape(-1, CHROMA_STRIDE, 12).mean(axis=1)
    return means
