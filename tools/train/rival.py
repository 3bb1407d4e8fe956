"""The engine that needs no training, judged on the same excerpts: what the network has to beat."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import soundfile

from bridge.audio.file import AudioFile
from bridge.drums.kit_decode import CLASSES, GROUP_OF_CLASS, SURROUNDINGS
from bridge.drums.kit_features import SAMPLE_RATE, Array
from bridge.drums.onset_engine import OnsetDrumEngine
from bridge.engines import DrumEngine
from bridge.model import GM_DRUM, Note
from bridge.progress import Progress
from tools.train.excerpts import Example, Store
from tools.train.render import Excerpt
from tools.train.scores import Judged, Thresholds

#: Notes are certain: every one counts.
CERTAIN: Thresholds = dict.fromkeys(SURROUNDINGS, 0.5)

_KIND_OF_KEY = {GM_DRUM[name]: kind for kind, name in enumerate(CLASSES)}


def judge_rival(judges: dict[str, Store[Example]], engine: DrumEngine | None = None) -> list[Judged]:
    """Every judging excerpt, rendered again and heard by `engine`."""
    rival = engine or OnsetDrumEngine()
    cases = []
    for library, store in judges.items():
        for number in range(store.most):
            made = store.make(number)
            cases.append(Judged(library, Example.of(made).strokes, _candidates(_notes(rival, made))))
    return cases


def _notes(engine: DrumEngine, made: Excerpt) -> list[Note]:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "drums.wav"
        soundfile.write(path, made.samples, SAMPLE_RATE, subtype="FLOAT")
        return engine.transcribe(AudioFile.open(path), {}, Progress())


def _candidates(notes: list[Note]) -> Array:
    rows = np.zeros((len(notes), 3 + 2 * len(CLASSES)), dtype=np.float32)
    for row, note in zip(rows, notes, strict=True):
        kind = _KIND_OF_KEY[note.pitch]
        row[:3] = note.onset_s, GROUP_OF_CLASS[kind], 1.0
        row[3 + kind], row[3 + len(CLASSES) + kind] = 1.0, note.velocity / 127
    return rows
