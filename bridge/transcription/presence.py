"""Notes of a part that hardly sounds in the recording are the separator's leavings, not music."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from bridge.audio.file import AudioFile
from bridge.model import Note

#: Level of a stem against the mix, over a note, below which the note is taken for a leaving. Where nobody sings, the
#: built-in separator's vocals average -22 dB; a voice that is 18 dB below the band is hardly heard.
LEAST_LEVEL_DB = -18.0


def present(notes: Sequence[Note], stem: AudioFile, mix: AudioFile) -> list[Note]:
    """The notes over whose length the stem is not much weaker than the mix; both have one rate and length."""
    return [note for note in notes if _level_db(note, stem, mix) >= LEAST_LEVEL_DB]


def _level_db(note: Note, stem: AudioFile, mix: AudioFile) -> float:
    own, whole = _energy(note, stem), _energy(note, mix)
    return 10.0 * math.log10(own / whole) if own > 0.0 and whole > 0.0 else -math.inf


def _energy(note: Note, audio: AudioFile) -> float:
    samples = audio.read(int(note.onset_s * audio.sample_rate), math.ceil(note.offset_s * audio.sample_rate))
    return float(np.square(samples, dtype=np.float64).sum()) / audio.channels
