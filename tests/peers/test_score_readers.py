"""What others' programs make of a score: Verovio reads it (it does so for every delivery), MuseScore opens it."""

from __future__ import annotations

import os
import shutil
import subprocess

import mido
import pytest

from bridge.deliver.score_sheet import full_score, piano_reduction
from bridge.deliver.score_xml import musicxml
from bridge.model import Note
from bridge.music.chords import Chord
from bridge.progress import Progress
from tests.daw_support import part, song, steady

pytestmark = pytest.mark.peer


def band():
    bass = [Note(index * 0.5, index * 0.5 + 0.45, 28 + index % 7, 90) for index in range(32)]
    voice = [Note(index * 0.75, index * 0.75 + 0.7, 64 + index % 9, 90) for index in range(20)]
    chords = [Note(index * 2.0, index * 2.0 + 1.9, pitch, 80) for index in range(8) for pitch in (48, 64, 67, 71)]
    drums = [Note(index * 0.25, index * 0.25 + 0.1, (36, 42, 38, 46)[index % 4], 100) for index in range(64)]
    parts = [part("bass", bass), part("vocals", voice), part("melody", chords), part("drums", drums)]
    return song(parts, steady(), 16.0, key="E minor", chords=(Chord(0.0, 8.0, "Em7", 0.9), Chord(8.0, 16.0, "N", 0.9)))


@pytest.mark.parametrize("make", [full_score, piano_reduction])
def test_verovio_reads_a_score_without_a_complaint(make, capfd):
    import verovio

    verovio.enableLog(verovio.LOG_WARNING)
    toolkit = verovio.toolkit()
    assert toolkit.loadData(musicxml(make(band(), Progress()), Progress()).decode())
    assert toolkit.getPageCount() >= 1
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
@pytest.mark.parametrize("make", [full_score, piano_reduction])
def test_musescore_opens_a_score_and_plays_the_notes_that_were_found(make, tmp_path):
    program = next(filter(None, map(shutil.which, ("musescore3", "mscore3", "musescore", "mscore"))), None)
    if program is None:
        pytest.skip("MuseScore is not installed (Debian: musescore3)")
    (tmp_path / "score.musicxml").write_bytes(musicxml(make(band(), Progress()), Progress()))
    environment = {
        **os.environ,
        "QT_QPA_PLATFORM": "offscreen",
        "XDG_RUNTIME_DIR": str(tmp_path),
        "HOME": str(tmp_path),
    }
    for target in ("score.mid", "score.pdf"):
        subprocess.run(
            [program, "-o", target, "score.musicxml"],
            cwd=tmp_path,
            env=environment,
            check=True,
            capture_output=True,
            timeout=50,
        )
    assert (tmp_path / "score.pdf").stat().st_size > 1000
    played = [
        [message.note for message in track if message.type == "note_on" and message.velocity]
        for track in mido.MidiFile(tmp_path / "score.mid").tracks
    ]
    raised = 0 if make is full_score else 12  # to where the left hand plays
    assert [note.pitch + raised for note in band().parts[0].notes] in played
