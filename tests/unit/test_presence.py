import numpy as np
import soundfile

from bridge.audio.file import AudioFile
from bridge.model import Note
from bridge.progress import Progress
from bridge.transcription.presence import present

RATE = 8000


def audio(path, levels):
    samples = np.concatenate([np.full((RATE, 1), level, dtype=np.float32) for level in levels])
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    return AudioFile.open(path)


def test_only_notes_over_which_the_stem_is_strong_enough_stay(tmp_path):
    mix = audio(tmp_path / "mix.wav", [0.5, 0.5, 0.5, 0.0])
    stem = audio(tmp_path / "stem.wav", [0.5, 0.5 * 10 ** (-17 / 20), 0.5 * 10 ** (-19 / 20), 0.0])
    notes = [Note(second + 0.2, second + 0.7, 60, 80) for second in range(4)]
    assert present(notes, stem, mix, -18.0, Progress()) == notes[:2]


def test_a_note_that_ends_after_the_audio_is_judged_by_what_there_is(tmp_path):
    mix = audio(tmp_path / "mix.wav", [0.5])
    assert present([Note(0.9, 1.4, 60, 80)], mix, mix, -18.0, Progress())
