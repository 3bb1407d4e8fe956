"""Lines of one voice, made by arithmetic, come back note for note."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import mir_eval
import numpy as np
import pytest
import soundfile

from bridge.audio.file import AudioFile
from bridge.model import Note
from bridge.progress import Progress
from bridge.transcription.basic_pitch import BasicPitchTranscriber
from tests.engines.played_lines import RATE, Rows, bass, line, voice

WALK = [60, 64, 63, 67, 65, 62, 57, 59, 55, 58, 62, 66, 64, 69, 67, 60]
RIFF = [40, 43, 45, 47, 40, 38, 36, 33]


@pytest.fixture(scope="module")
def transcriber() -> BasicPitchTranscriber:
    return BasicPitchTranscriber()


def notes_in(
    samples: np.ndarray, profile: str, folder: Path, transcriber: BasicPitchTranscriber, tightness: float = 0.5
) -> list[Note]:
    soundfile.write(folder / "line.wav", samples, RATE, subtype="FLOAT")
    return transcriber.transcribe(AudioFile.open(folder / "line.wav"), profile, Progress(), tightness)


def f_measures(rows: Rows, notes: list[Note]) -> tuple[float, float]:
    """F of notes with the right onset (50 ms) and pitch, and of those with the right end too."""
    truth, found = np.array(rows), np.array([(note.onset_s, note.offset_s, note.pitch) for note in notes])
    if not len(found):
        return 0.0, 0.0

    def f(offset_ratio: float | None) -> float:
        spans = (truth[:, :2], hertz(truth), found[:, :2], hertz(found))
        return mir_eval.transcription.precision_recall_f1_overlap(*spans, offset_ratio=offset_ratio)[2]

    return f(None), f(0.2)


def hertz(rows: np.ndarray) -> np.ndarray:
    return 440.0 * 2.0 ** ((rows[:, 2] - 69.0) / 12.0)


@pytest.mark.parametrize(
    "make, profile, rows",
    [
        pytest.param(bass, "bass", line(range(28, 68), 300), id="bass, each pitch of the range"),
        pytest.param(bass, "bass", line(RIFF, 120, share=1.0), id="bass, legato"),
        pytest.param(bass, "bass", line(RIFF, 120, share=0.4), id="bass, staccato"),
        pytest.param(bass, "bass", line([33] * 6 + [36] * 6, 120, share=0.8, notes_a_beat=4), id="bass, repeats"),
        pytest.param(bass, "bass", line(RIFF[:4], 40), id="bass, 40 BPM"),
        pytest.param(bass, "bass", line(RIFF * 2, 300), id="bass, 300 BPM"),
        pytest.param(voice, "vocals", line(range(45, 82), 300), id="voice, each pitch of the range"),
        pytest.param(voice, "vocals", line(WALK, 120, share=1.0), id="voice, legato and vibrato"),
        pytest.param(voice, "vocals", line(WALK, 150, share=0.5), id="voice, staccato"),
        pytest.param(voice, "vocals", line([60] * 4 + [64] * 4 + [57] * 4, 120, share=0.85), id="voice, repeats"),
        pytest.param(voice, "vocals", line(WALK[:4], 40, share=1.0), id="voice, 40 BPM, legato and vibrato"),
        pytest.param(voice, "vocals", line(WALK, 300, share=0.85), id="voice, 300 BPM"),
    ],
)
def test_a_line_comes_back(
    tmp_path: Path, transcriber: BasicPitchTranscriber, make: Callable[[Rows], np.ndarray], profile: str, rows: Rows
) -> None:
    notes = notes_in(make(rows), profile, tmp_path, transcriber)
    f, f_with_ends = f_measures(rows, notes)
    assert f >= 0.95
    assert f_with_ends >= 0.9
    assert all(first.offset_s <= second.onset_s for first, second in pairwise(notes))


def test_fifths_on_a_bass_are_heard_with_its_line(tmp_path: Path, transcriber: BasicPitchTranscriber) -> None:
    low = line(RIFF * 2, 120)
    rows = sorted([*low, *((onset_s, offset_s, pitch + 7) for onset_s, offset_s, pitch in low)])
    alone, above = bass(low), bass([row for row in rows if row not in low])
    notes = notes_in(alone + above, "bass", tmp_path, transcriber)
    f, f_with_ends = f_measures(rows, notes)
    assert f >= 0.9
    assert f_with_ends >= 0.8


def test_a_wide_vibrato_is_one_note_and_stands_in_its_bend(tmp_path: Path, transcriber: BasicPitchTranscriber) -> None:
    (note,) = notes_in(voice([(0.3, 2.3, 62)], vibrato_semitones=0.8), "vocals", tmp_path, transcriber)
    assert note.pitch == 62
    steady = [semitones for after_s, semitones in note.bend if 0.5 < after_s < 1.8]
    assert max(steady) > 0.4
    assert min(steady) < -0.4


def test_a_bass_whose_fundamental_is_missing_keeps_its_octave(
    tmp_path: Path, transcriber: BasicPitchTranscriber
) -> None:
    rows = line([36, 38, 40, 41, 43, 45, 40, 38], 100)
    samples = np.zeros(round((rows[-1][1] + 0.5) * RATE))
    for onset_s, offset_s, pitch in rows:
        time_s = np.arange(round((offset_s - onset_s) * RATE)) / RATE
        hz = 440.0 * 2.0 ** ((pitch - 69) / 12)
        strong = {1: 0.03, 2: 1.0, 3: 0.6, 4: 0.7, 5: 0.4, 6: 0.4}  # the octave louder than the note itself
        tone = sum(level * np.sin(2 * np.pi * partial * hz * time_s) for partial, level in strong.items())
        samples[round(onset_s * RATE) :][: len(tone)] += 0.1 * tone * np.exp(-2.0 * time_s)
    notes = notes_in(samples.astype(np.float32), "bass", tmp_path, transcriber)
    assert f_measures(rows, notes)[0] >= 0.9


@pytest.mark.parametrize("profile", ["bass", "vocals"])
def test_noise_alone_has_no_sure_notes(tmp_path: Path, transcriber: BasicPitchTranscriber, profile: str) -> None:
    rng = np.random.default_rng(2)
    breaths = rng.standard_normal(4 * RATE) * (np.sin(2 * np.pi * 0.7 * np.arange(4 * RATE) / RATE) > 0.3) * 0.1
    notes = notes_in(breaths.astype(np.float32), profile, tmp_path, transcriber)
    assert len(notes) <= 1
