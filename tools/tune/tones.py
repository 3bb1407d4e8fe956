"""Notes played by made-up instruments: harmonics that fall and decay at random, so that no timbre is all there is."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tools.tune.songs import Played, Voice

Rng = np.random.Generator


def play(voices: Iterable[Voice], length_s: float, rate: int, rng: Rng) -> np.ndarray:
    """Mono samples; every voice has an instrument of its own."""
    sound = np.zeros(int(length_s * rate))
    for voice in voices:
        instrument = _Instrument(rng)
        for note in voice.notes:
            tone = instrument.tone(note, rate)
            start = int(note.onset_s * rate)
            sound[start : start + len(tone)] += tone[: len(sound) - start]
    return sound


class _Instrument:
    def __init__(self, rng: Rng) -> None:
        self.harmonics = int(rng.integers(1, 16))
        self.slope = float(rng.uniform(0.5, 2.5))
        self.is_odd = bool(rng.random() < 0.2)
        self.decay = float(rng.choice([0.0, rng.uniform(0.5, 6.0)]))
        self.brightness_decay = float(rng.uniform(0.0, 2.0))
        self.attack_s, self.release_s = float(rng.uniform(0.002, 0.04)), float(rng.uniform(0.01, 0.08))
        self.off_semitones = float(rng.normal(0.0, 0.05))
        self.spread = rng.uniform(0.5, 1.5, 16)

    def tone(self, note: Played, rate: int) -> np.ndarray:
        length_s = note.offset_s - note.onset_s
        time_s = np.arange(int((length_s + self.release_s) * rate)) / rate
        hertz = 440.0 * 2.0 ** ((note.pitch + self.off_semitones - 69) / 12)
        tone = np.zeros(len(time_s))
        for number in range(1, self.harmonics + 1, 2 if self.is_odd else 1):
            if number * hertz < 0.45 * rate:
                fall = np.exp(-(self.decay + self.brightness_decay * self.decay * (number - 1) / 4) * time_s)
                tone += (
                    self.spread[number - 1] / number**self.slope * fall * np.sin(2 * np.pi * number * hertz * time_s)
                )
        ending = np.clip((length_s + self.release_s - time_s) / self.release_s, 0.0, 1.0)
        return (note.velocity / 127) ** 2 * tone * np.minimum(time_s / self.attack_s, 1.0) * ending
