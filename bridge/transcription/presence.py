"""Notes of a part that hardly sounds in the recording are the separator's leavings, not music."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from bridge.audio.file import AudioFile
from bridge.model import Note
from bridge.progress import Progress


def present(
    notes: Sequence[Note], stem: AudioFile, mix: AudioFile, least_level_db: float, progress: Progress
) -> list[Note]:
    """The notes over whose length the stem's level is at least `least_level_db` of the mix's; both have one rate."""
    kept = []
    for note in notes:
        progress.check()
        if _level_db(note, stem, mix) >= least_level_db:
            kept.append(note)
    return kept


def _level_db(note: Note, stem: AudioFile, mix: AudioFile) -> float:
    own, whole = _energy(note, stem), _energy(note, mix)
    return 10.0 * math.log10(own / whole) if own > 0.0 and whole > 0.0 else -math.inf


def _energy(note: Note, audio: AudioFile) -> float:
    samples = audio.read(int(note.onset_s * audio.sample_rate), math.ceil(note.offset_s * audio.sample_rate))
    return float(np.square(samples, dtype=np.float64).sum()) / audio.channels
