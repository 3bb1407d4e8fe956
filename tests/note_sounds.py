"""Sounds whose notes are known, and how many of them were found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from bridge.audio.file import AudioFile
from bridge.model import Note

#: Onset and offset in seconds, MIDI pitch.
Rows = list[tuple[float, float, int]]


def sound(rows: Rows, rate: int, length_s: float, vibrato_semitones: float = 0.0, level: float = 0.2) -> np.ndarray:
    """Plucked tones of six falling harmonics; with vibrato, steady ones at 5.5 Hz."""
    samples = np.zeros(round(length_s * rate))
    for onset_s, offset_s, pitch in rows:
        time_s = np.arange(round((offset_s - onset_s) * rate)) / rate
        wave = vibrato_semitones * np.sin(2 * np.pi * 5.5 * time_s)
        phase = 2 * np.pi * np.cumsum(440.0 * 2.0 ** ((pitch + wave - 69) / 12)) / rate
        tone = sum(
            np.sin(h * phase) / h**1.5 for h in range(1, 7) if h * 440.0 * 2.0 ** ((pitch - 69) / 12) < rate / 2.2
        )
        tone = tone * np.minimum(1.0, np.minimum(time_s / 0.005, (time_s[-1] - time_s) / 0.02))
        start = round(onset_s * rate)
        samples[start : start + len(tone)] += level * tone * (1.0 if vibrato_semitones else np.exp(-2.0 * time_s))
    return samples.astype(np.float32)


def audio_file(folder: Path, samples: np.ndarray, rate: int, name: str = "audio.wav") -> AudioFile:
    soundfile.write(folder / name, samples, rate, subtype="FLOAT")
    return AudioFile.open(folder / name)


def hits(truth: Rows, notes: list[Note]) -> int:
    """How many true notes were found within 50 ms, each found note counting once."""
    left = list(notes)
    for onset_s, _, pitch in truth:
        near = (note for note in left if note.pitch == pitch and abs(note.onset_s - onset_s) <= 0.05)
        if (hit := next(near, None)) is not None:
            left.remove(hit)
    return len(notes) - len(left)
