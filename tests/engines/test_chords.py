"""Chords and arpeggios whose notes are known exactly: every pitch, articulation and tempo."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from bridge.engines import Hearing
from bridge.errors import InvalidRequest
from bridge.progress import Progress
from bridge.transcription.basic_pitch import BasicPitchTranscriber
from bridge.transcription.profiles import PROFILES
from tests.note_sounds import Rows, audio_file, hits, sound

RATE = 22050


@pytest.fixture(scope="module")
def transcriber() -> BasicPitchTranscriber:
    return BasicPitchTranscriber()


def judged(folder: Path, transcriber: BasicPitchTranscriber, rows: Rows) -> tuple[float, float]:
    """Precision and recall of notes by onset and pitch, as a solo recording."""
    length_s = max(offset_s for _, offset_s, _ in rows) + 1.0
    notes = transcriber.transcribe(audio_file(folder, sound(rows, RATE, length_s, level=0.1), RATE), "solo", Progress())
    right = hits(rows, notes)
    return right / max(1, len(notes)), right / len(rows)


def test_every_pitch_of_the_range_is_found(tmp_path: Path, transcriber: BasicPitchTranscriber) -> None:
    pitches = [28 + (place * 29) % 65 for place in range(65)]  # E1 to G#6, each once, far apart
    rows = [(0.5 + 0.4 * place, 0.85 + 0.4 * place, pitch) for place, pitch in enumerate(pitches)]
    precision, recall = judged(tmp_path, transcriber, rows)
    assert recall >= 0.93
    assert precision >= 0.93


@pytest.mark.parametrize("share", [0.25, 0.6, 1.0], ids=["staccato", "detached", "legato"])
@pytest.mark.parametrize("bpm", [40, 120, 300])
def test_arpeggios_are_found_at_any_tempo_and_articulation(
    tmp_path: Path, transcriber: BasicPitchTranscriber, bpm: int, share: float
) -> None:
    beat_s = 60.0 / bpm
    chord = itertools.cycle((48, 55, 60, 64, 67, 72, 67, 64))
    rows = [(0.5 + i * beat_s, 0.5 + (i + share) * beat_s, next(chord)) for i in range(min(48, round(10 / beat_s)))]
    precision, recall = judged(tmp_path, transcriber, rows)
    assert recall >= 0.88
    assert precision >= 0.75


@pytest.mark.parametrize("every_s", [0.15, 0.5])
def test_repeated_chords_are_told_apart(tmp_path: Path, transcriber: BasicPitchTranscriber, every_s: float) -> None:
    rows = [
        (0.5 + i * every_s, 0.5 + (i + 0.7) * every_s, pitch)
        for i in range(16)
        for pitch in ((57, 60, 64) if i % 8 < 4 else (55, 59, 62))
    ]
    precision, recall = judged(tmp_path, transcriber, rows)
    assert recall >= 0.9
    assert precision >= 0.9


def test_octaves_that_are_played_stay(tmp_path: Path, transcriber: BasicPitchTranscriber) -> None:
    low = (43, 45, 47, 48, 50, 52, 54, 55)
    rows = [(0.5 + 0.5 * i, 0.9 + 0.5 * i, pitch + up) for i, pitch in enumerate(low) for up in (0, 12)]
    _, recall = judged(tmp_path, transcriber, rows)
    assert recall >= 0.8


def test_lengths_follow_the_sound(tmp_path: Path, transcriber: BasicPitchTranscriber) -> None:
    rows = [(0.5, 0.8, 60), (1.5, 2.5, 64), (3.0, 5.0, 55), (3.0, 3.5, 67)]
    audio = audio_file(tmp_path, sound(rows, RATE, 6.0), RATE)
    found = {note.pitch: note for note in transcriber.transcribe(audio, "solo", Progress())}
    for onset_s, offset_s, pitch in rows:
        assert found[pitch].offset_s - onset_s == pytest.approx(
            offset_s - onset_s, abs=max(0.1, 0.2 * (offset_s - onset_s))
        )


def test_a_melody_is_heard_in_its_stem_its_mix_and_the_voices_stem_together(
    tmp_path: Path, transcriber: BasicPitchTranscriber
) -> None:
    melody = [(0.5 + 0.5 * i, 0.9 + 0.5 * i, pitch) for i, pitch in enumerate((60, 64, 67, 72, 71, 67, 64, 62))]
    sung = [(0.75 + 0.5 * i, 0.95 + 0.5 * i, pitch) for i, pitch in enumerate((76, 79, 77, 74, 76, 72, 74, 79))]
    own, voice = sound(melody, RATE, 5.0), sound(sung, RATE, 5.0)
    stem = own + 0.3 * voice  # a separator that leaves a third of the voice in the melody
    heard = [
        list(transcriber.listen(audio_file(tmp_path, samples, RATE, f"{name}.wav"), None, "rough", Progress()))
        for name, samples in (("stem", stem), ("mix", own + voice), ("vocals", 0.9 * voice))
    ]
    hearing = Hearing("stem", "rough", beside=("mix", "vocals"))
    decoded = transcriber.decode(heard[0], hearing, 0.5, Progress(), heard[1:])
    assert hits(melody, decoded.notes) >= len(melody) - 1
    assert decoded.removed
    assert all(what.confidence < PROFILES["rough"].least_confidence for what in decoded.removed)


def test_a_profile_that_needs_other_audio_says_so(tmp_path: Path, transcriber: BasicPitchTranscriber) -> None:
    audio = audio_file(tmp_path, np.zeros(RATE, np.float32), RATE)
    with pytest.raises(InvalidRequest, match="'rough' is heard with 2 recordings beside its own"):
        transcriber.transcribe(audio, "rough", Progress())
