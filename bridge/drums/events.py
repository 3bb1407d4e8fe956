"""Drum events: the moments at which something is struck, and how its energy rises and falls in each band.

Onset strength is librosa's (a spectral flux in dB with SuperFlux's maximum filter), in three registers, so that a
hi-hat does not hide behind a kick. The audio is taken in windows of a minute, so that a two-hour recording needs no
more memory than its list of events.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bridge.audio.file import AudioFile
from bridge.drums.bands import BANDS, CENTRES_HZ, Array, BandAnalysis
from bridge.progress import Progress

#: Stretches after the attack in which an event's energy is measured, in frames of 5.8 ms: attack, 30 to 75, 75 to
#: 170, 170 to 350 ms.
STRETCHES = ((0, 5), (5, 13), (13, 30), (30, 61))
#: Registers (Hz) in which onsets are sought: kicks; snares and toms; hi-hats and cymbals.
REGISTERS_HZ = ((40.0, 130.0), (105.0, 1600.0), (3200.0, 15_300.0))
#: Below this (Hz) what was sounding before is subtracted from an event's tail; above it rings on as part of hats
#: and cymbals.
RING_FROM_HZ = 700.0
#: A register's flux must exceed its local mean by this much, in dB averaged over its bands.
STRENGTH_DB = 1.6
#: Energy so far below a band's loud moments (dB) is taken for silence.
FLOOR_DB = -45.0
#: Below this power (-80 dB of full scale in a band) lies dither, not drums.
SILENCE = 1e-8
#: Onsets in several registers this close (frames) are one event: 23 ms.
MERGE_FRAMES = 4

_BEFORE, _BEFORE_END = 6, 2  # what sounded before: 35 to 12 ms ahead of the onset
_TAIL = STRETCHES[-1][1]
_WINDOW_S = 60.0
_LAST_FRAMES = 6  # where audio stops in mid-sound the analysis sees a click
_EARLY_FRAMES = (2, 0, 0)  # by register: a long window sees an attack this much sooner than a short one
_CONTEXT_FRAMES = 120


@dataclass(frozen=True, slots=True)
class Events:
    """Struck moments, in order of time.

    Attributes
    ----------
    frames
        Frame of each event, (events,).
    register_frames
        Frame at which each register rose most steeply near the event, (events, registers).
    energy
        Power that the event brought, (events, stretches, bands).
    rise
        How far each band rose at the attack: 0 (not) to 1 (20 dB or more), (events, bands).
    """

    frames: NDArray[np.int64]
    register_frames: NDArray[np.int64]
    energy: Array
    rise: Array

    def __len__(self) -> int:
        return len(self.frames)

    def between(self, start: int, stop: int) -> Events:
        """The events with frames in [start, stop)."""
        chosen = slice(*np.searchsorted(self.frames, (start, stop)))
        return Events(self.frames[chosen], self.register_frames[chosen], self.energy[chosen], self.rise[chosen])


def find_events(audio: AudioFile, progress: Progress, window_s: float = _WINDOW_S) -> Events:
    """All events of `audio`, sought in windows of `window_s` seconds that overlap by their context."""
    analysis = BandAnalysis(audio.sample_rate)
    found = [_no_events(), *_window_events(audio, analysis, progress, window_s)]
    progress.at(1.0)
    return Events(
        np.concatenate([events.frames for events in found]),
        np.concatenate([events.register_frames for events in found]),
        np.concatenate([events.energy for events in found]),
        np.concatenate([events.rise for events in found]),
    )


def describe(power: Array, frame: int) -> tuple[Array, Array]:
    """Energy (stretches, bands) and rise (bands,) of an event at `frame` of `power` (frames, bands).

    Tails follow the envelope's running minimum, so that the next hit is not taken for this one's sustain.
    """
    before = power[max(0, frame - _BEFORE) : max(1, frame - _BEFORE_END)].mean(axis=0)
    after = power[frame : frame + _TAIL]
    after = np.pad(after, ((0, _TAIL - len(after)), (0, 0)), mode="edge")
    attack_stop = STRETCHES[0][1]
    peak = after[:attack_stop].max(axis=0)
    tail = np.minimum.accumulate(np.vstack([after[2 : attack_stop + 1].max(axis=0), after[attack_stop + 1 :]]), axis=0)
    energy = np.empty((len(STRETCHES), power.shape[1]), dtype=np.float32)
    energy[0] = np.maximum(peak - before, 0)
    ringing = np.where(np.array(CENTRES_HZ) < RING_FROM_HZ, before, np.float32(0))
    for row, (start, stop) in zip(energy[1:], STRETCHES[1:], strict=True):
        level = tail[max(0, start - attack_stop) : stop - attack_stop].mean(axis=0)
        row[:] = np.clip(level - ringing, 0, energy[0])
    rise_db = 10 * np.log10((peak + SILENCE) / (before + SILENCE))
    return energy, np.clip(rise_db / 20, 0, 1).astype(np.float32)


def _no_events() -> Events:
    return Events(
        np.zeros(0, np.int64),
        np.zeros((0, len(REGISTERS_HZ)), np.int64),
        np.zeros((0, len(STRETCHES), BANDS), np.float32),
        np.zeros((0, BANDS), np.float32),
    )


def _window_events(audio: AudioFile, analysis: BandAnalysis, progress: Progress, window_s: float) -> Iterator[Events]:
    total = analysis.frames_of(audio) - _LAST_FRAMES
    step = max(1, round(window_s * audio.sample_rate / analysis.hop))
    for start in range(0, total, step):
        progress.at(start / total)
        first, last = start - _CONTEXT_FRAMES, min(total + _LAST_FRAMES, start + step + _CONTEXT_FRAMES)
        power = analysis.power(audio, first, last, progress)
        strength = onset_strength(power, analysis)
        own = [(frame, at) for frame, at in _merged(strength) if start <= frame + first < min(start + step, total)]
        if own:
            described = [describe(power, frame) for frame, _ in own]
            yield Events(
                np.array([frame + first for frame, _ in own], np.int64),
                np.array([at for _, at in own], np.int64) + first,
                np.stack([energy for energy, _ in described]),
                np.stack([rise for _, rise in described]),
            )


def load_libraries() -> None:
    """Import what the analysis of drums needs; librosa loads its parts when they are first named."""
    import librosa
    import scipy.fft
    import scipy.ndimage  # noqa: F401

    _ = librosa.onset.onset_strength_multi


def onset_strength(power: Array, analysis: BandAnalysis) -> Array:
    """Onset strength in dB per register, (registers, frames)."""
    import librosa

    heard = analysis.bands_heard
    reference = np.maximum(np.percentile(power, 99, axis=0), SILENCE)
    level_db = 10 * np.log10(power / reference + 10 ** (FLOOR_DB / 10) + SILENCE / reference)
    registers = [slice(low, min(high, heard)) for low, high in _register_bands()]
    audible = [register for register in registers if register.start < register.stop]
    found = librosa.onset.onset_strength_multi(
        S=level_db[:, :heard].T.astype(np.float32), lag=2, max_size=3, center=False, channels=audible
    )
    strength = np.zeros((len(registers), len(power)), dtype=np.float32)
    strength[: len(audible)] = found[:, : len(power)]
    return strength


def _register_bands() -> list[tuple[int, int]]:
    centres = np.array(CENTRES_HZ)
    return [(int(np.searchsorted(centres, low)), int(np.searchsorted(centres, high))) for low, high in REGISTERS_HZ]


def _merged(strength: Array) -> list[tuple[int, list[int]]]:
    """(frame, frame in each register) of each event."""
    peaks = sorted((frame, float(row[frame])) for row in strength for frame in _peaks(row))
    events: list[tuple[int, float]] = []
    for frame, height in peaks:
        if events and frame - events[-1][0] <= MERGE_FRAMES:
            events[-1] = max(events[-1], (frame, height), key=lambda peak: peak[1])
        else:
            events.append((frame, height))
    return [
        (frame, [_steepest(*row, frame) for row in zip(strength, _EARLY_FRAMES, strict=True)]) for frame, _ in events
    ]


def _steepest(row: Array, early: int, frame: int) -> int:
    """Where a register rose most within the event's reach; the event's own frame where it did not rise."""
    first = max(0, frame - MERGE_FRAMES)
    near = row[first : frame + MERGE_FRAMES + 1]
    return first + int(near.argmax()) + early if near.max() > STRENGTH_DB else frame


def _peaks(strength: Array) -> list[int]:
    """Local maxima over 7 frames, at least 5 apart, that exceed the mean around them by `STRENGTH_DB`.

    The mean is over 100 ms before and 50 ms after. This is the rule of librosa.util.peak_pick, written with scipy:
    librosa's is compiled at run time, for seconds, into a cache that processes started together can spoil.
    """
    from scipy.ndimage import maximum_filter1d

    sums = np.concatenate([[0.0], np.cumsum(strength, dtype=np.float64)])
    index = np.arange(len(strength))
    start, stop = np.maximum(index - 17, 0), np.minimum(index + 10, len(strength))
    mean = (sums[stop] - sums[start]) / (stop - start)
    highest = maximum_filter1d(strength, 7, mode="nearest")
    peaks: list[int] = []
    for frame in np.flatnonzero((strength >= highest) & (strength >= mean + STRENGTH_DB)):
        if not peaks or frame - peaks[-1] > MERGE_FRAMES:
            peaks.append(int(frame))
    return peaks
