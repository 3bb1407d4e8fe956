"""Other people's programs read the Live Set, in an environment made for it and thrown away: abletoolz and pyableton.

DAWprojects are held against the format's own schema where somebody has it: ``DAWPROJECT_SCHEMA`` names the folder with
Project.xsd and MetaData.xsd, which the repository bitwig/dawproject has.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from bridge.deliver import als, dawproject
from bridge.model import DeliverOptions, MidiOptions, Note
from bridge.progress import Progress
from tests.daw_support import Folder, part, song, steady, stem

pytestmark = [pytest.mark.peer, pytest.mark.slow]

READERS = ("abletoolz==1.1.1", "pyableton==0.0.15")
NOTES = [Note(0.5 * index, 0.5 * index + 0.4, 40 + index, 60 + index) for index in range(12)]
#: abletoolz asks macOS and Windows when a file was made, which Linux doesn't tell Python 3.11.
_ABLETOOLZ = """
import json, pathlib, sys
from abletoolz.ableton_set import AbletonSet
class Set(AbletonSet):
    def get_file_times(self): pass
read = Set(pathlib.Path(sys.argv[1]))
assert read.parse()
read.load_version()
read.find_project_root_folder()
read.load_tracks()
print(json.dumps({
    "tempo": read.get_bpm(),
    "version": read.version_tuple,
    "tracks": [[it.type, it.name, it.id, it.group_id, it.unfolded] for it in read.tracks],
    "samples": [[it.name, bool(it.relative_exists)] for it in read._iterate_samples()],
}))
"""
_PYABLETON = """
import json, sys
from pyableton import Ableton
music = Ableton(sys.argv[1]).to_muspy()
print(json.dumps({
    "tempo": music.tempos[0].qpm,
    "meter": [music.time_signatures[0].numerator, music.time_signatures[0].denominator],
    "resolution": music.resolution,
    "tracks": {it.name: [[n.time, n.pitch, n.duration, n.velocity] for n in it.notes] for it in music.tracks},
}))
"""


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the readers."""
    folder = tmp_path_factory.mktemp("readers") / "environment"
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    for command in (["venv", "--python", sys.executable, folder], ["pip", "install", "--python", python, *READERS]):
        done = subprocess.run([sys.executable, "-m", "uv", *map(str, command)], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"the readers could not be installed: {done.stderr.strip().splitlines()[-1]}")
    return python


def read_by(python: Path, script: str, path: Path) -> dict:
    done = subprocess.run([python, "-c", script, path], capture_output=True, text=True, cwd=path.parent, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.timeout(600)
def test_abletoolz_reads_tracks_groups_tempo_and_finds_every_sample(others: Path, tmp_path: Path):
    audio = stem(tmp_path / "stem.wav")
    parts = [
        part("bass", NOTES, audio=audio),
        part("drums", NOTES, audio=audio),
        part("kick", NOTES, audio=audio, parent="drums"),
    ]
    als.write(song(parts, steady(123.5, 0.3, 40)), Folder(tmp_path), DeliverOptions(), Progress())
    read = read_by(others, _ABLETOOLZ, tmp_path / "song Project/song.als")
    assert read["tempo"] == pytest.approx(123.5, abs=1e-3)
    assert read["version"] == [11, 3, 21]
    assert read["tracks"] == [
        ["MidiTrack", "bass", "1", "-1", "true"],
        ["AudioTrack", "bass stem", "2", "-1", "true"],
        ["GroupTrack", "Drums", "3", "-1", "false"],
        ["MidiTrack", "drums", "4", "3", "true"],
        ["AudioTrack", "drums stem", "5", "3", "true"],
        ["MidiTrack", "kick", "6", "3", "true"],
        ["AudioTrack", "kick stem", "7", "3", "true"],
    ]
    assert read["samples"] == [[f"{name}.wav", True] for name in ("bass", "drums", "kick")]


@pytest.mark.timeout(600)
def test_pyableton_reads_the_notes(others: Path, tmp_path: Path):
    parts = [part("bass", NOTES), part("vocals", [NOTES[0]])]  # it knows neither groups nor tracks without clips
    als.write(song(parts, steady(per_bar=3), name="waltz"), Folder(tmp_path), DeliverOptions(), Progress())
    read = read_by(others, _PYABLETON, tmp_path / "waltz Project/waltz.als")
    assert (read["tempo"], read["meter"]) == (120.0, [3, 4])
    beat = read["resolution"]
    assert read["tracks"]["bass"] == [[beat * i, 40 + i, int(beat * 0.8), 60 + i] for i in range(12)]
    assert read["tracks"]["vocals"] == [[0, 40, int(beat * 0.8), 60]]


def test_the_formats_own_schema_accepts_a_dawproject(tmp_path: Path):
    folder = os.environ.get("DAWPROJECT_SCHEMA")
    if not folder:
        pytest.skip("DAWPROJECT_SCHEMA does not name the folder of the format's schemas")
    etree = pytest.importorskip("lxml.etree")
    bent = Note(0.5, 1.5, 57, 90, bend=((0.0, 1.0), (0.5, -2.0)))
    audio = stem(tmp_path / "stem.wav")
    parts = [
        part("vocals", [bent], audio=audio),
        part("drums", NOTES),
        part("kick", NOTES, audio=audio, parent="drums"),
    ]
    made = song(parts, steady(first_s=0.8, downbeat=1), midi=MidiOptions(pitch_bend=True), key="A minor")
    dawproject.write(made, Folder(tmp_path), DeliverOptions(), Progress())
    with zipfile.ZipFile(tmp_path / "song.dawproject") as archive:
        for name, schema in (("project.xml", "Project.xsd"), ("metadata.xml", "MetaData.xsd")):
            etree.XMLSchema(file=str(Path(folder) / schema)).assertValid(etree.fromstring(archive.read(name)))
