"""A voice that sings given notes: pulses through formants, with vibrato, scoops, glides, breath and consonants."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.signal import butter, lfilter, sosfilt

from tools.train.backing import VOWELS_HZ
from tools.tune.songs import Played

Rng = np.random.Generator
_LEGATO_S = 0.06  # notes closer than this are sung without a new breath
_SMOOTH_S = 0.008


def sing(notes: Sequence[Played], length_s: float, rate: int, rng: Rng) -> np.ndarray:
    """Mono samples, peak 1, of a singer with `notes`, which must not overlap by more than a few hundredths.

    A note's truth is where its vowel begins, at its pitch; glides into it lie at its beginning, consonants before it.
    """
    size = int(length_s * rate)
    hertz, loudness = np.full(size, 200.0), np.zeros(size)
    hiss = np.zeros(size)
    sounds = [_Manner.drawn(rng) for _ in notes]
    vibrato_hz, depth, glide_s = rng.uniform(4.8, 6.8), rng.uniform(0.15, 0.6), rng.uniform(0.02, 0.06)
    times = np.arange(size) / rate
    before = None
    for place, note in enumerate(notes):
        end_s = min(note.offset_s, notes[place + 1].onset_s) if place + 1 < len(notes) else note.offset_s
        span = slice(int(note.onset_s * rate), min(size, int(end_s * rate)))
        after = times[span] - note.onset_s
        legato = before is not None and note.onset_s - before.offset_s < _LEGATO_S
        from_semitones = float(before.pitch - note.pitch) if legato and before else sounds[place].scoop
        wave = depth * np.sin(2 * np.pi * vibrato_hz * times[span]) * np.clip((after - 0.15) / 0.25, 0, 1)
        curve = note.pitch + wave + from_semitones * np.exp(-after / glide_s) + sounds[place].off
        hertz[span] = 440 * 2 ** ((curve - 69) / 12)
        hertz[span.stop :] = hertz[span.stop - 1] if span.stop > span.start else 200.0
        amplitude = (note.velocity / 100) * np.minimum(1, (end_s - times[span]) / 0.05).clip(0)
        loudness[span] = amplitude * (1.0 - 0.3 * np.exp(-after / 0.08) if legato else np.minimum(1, after / 0.03))
        if not legato or sounds[place].consonant > 0.6:
            _consonant(hiss, span.start, sounds[place], rate, rng)
        before = note
    return _voiced(
        hertz,
        loudness,
        hiss,
        [(note.onset_s, manner.vowel) for note, manner in zip(notes, sounds, strict=True)],
        rate,
        rng,
    )


class _Manner:
    """How one note is sung."""

    def __init__(self, scoop: float, off: float, vowel: int, consonant: float, breath: float) -> None:
        self.scoop, self.off, self.vowel, self.consonant, self.breath = scoop, off, vowel, consonant, breath

    @classmethod
    def drawn(cls, rng: Rng) -> _Manner:
        return cls(
            scoop=float(-abs(rng.normal(0.0, 0.8))),
            off=float(rng.normal(0.0, 0.12)),
            vowel=int(rng.integers(len(VOWELS_HZ))),
            consonant=float(rng.random()),
            breath=float(rng.uniform(0.1, 0.6)),
        )


def _consonant(hiss: np.ndarray, at: int, manner: _Manner, rate: int, rng: Rng) -> None:
    """Add the noise of a consonant that ends at sample `at`."""
    if manner.consonant < 0.3:
        return
    length_s, low = (0.09, 4500.0) if manner.consonant < 0.65 else (0.025, 1200.0)
    size = int(length_s * rate)
    if at < size:
        return
    noise = sosfilt(
        butter(2, (low, min(0.45 * rate, 3 * low)), "band", fs=rate, output="sos"), rng.standard_normal(size)
    )
    hiss[at - size : at] += manner.breath * 0.4 * noise * np.hanning(size) / (np.abs(noise).max() + 1e-9)


def _voiced(
    hertz: np.ndarray, loudness: np.ndarray, hiss: np.ndarray, vowels: list[tuple[float, int]], rate: int, rng: Rng
) -> np.ndarray:
    kernel = np.hanning(int(_SMOOTH_S * rate) | 1)
    hertz = np.convolve(np.pad(hertz, len(kernel) // 2, mode="edge"), kernel / kernel.sum(), mode="valid")
    loudness = np.convolve(loudness, kernel / kernel.sum(), mode="same")
    phase = np.cumsum(hertz) / rate
    pulses = np.diff(np.floor(phase), prepend=0.0) + 0.01 * rng.standard_normal(len(hertz))
    source = lfilter([0.06], [1, -0.94], pulses)  # a glottis falls by some 12 dB an octave
    out = np.zeros(len(hertz))
    starts = [0, *(int(at * rate) for at, _ in vowels[1:]), len(hertz)]
    fade = int(0.03 * rate)
    for vowel in range(len(VOWELS_HZ)):
        mask = np.zeros(len(hertz))
        for place, (_, chosen) in enumerate(vowels):
            if chosen == vowel:
                mask[starts[place] : starts[place + 1]] = 1.0
        if mask.any():
            mask = np.convolve(mask, np.ones(fade) / fade, mode="same")
            out += mask * _through(source, VOWELS_HZ[vowel], rate)
    out = out * loudness
    out = out / (np.abs(out).max() + 1e-9) + hiss
    return np.asarray(out / (np.abs(out).max() + 1e-9))


def _through(source: np.ndarray, formants_hz: tuple[int, ...], rate: int) -> np.ndarray:
    """The source through one resonance after another, beside some of itself."""
    sound = 0.4 * source
    for place, formant in enumerate((*formants_hz, 3300)):
        radius = np.exp(-np.pi * (80 + 30 * place) / rate)
        sound = sound + 2.0**-place * 2.5 * lfilter(
            [1 - radius], [1, -2 * radius * np.cos(2 * np.pi * 1.08 * formant / rate), radius**2], source
        )
    return np.asarray(sound)
