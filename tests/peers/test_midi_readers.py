"""Other people's programs read the MIDI files: pretty_midi, and midicsv (Debian's package of that name)."""

from __future__ import annotations

import csv
import shutil
import subprocess
from pathlib import Path

import pytest

from bridge.model import BeatGrid, MidiOptions, Note
from bridge.music.timeline import Timeline
from bridge.write.midi import MidiPart, part_file, song_file

pytestmark = pytest.mark.peer

#: 117.3 BPM with its first beat, a downbeat, 0.31 s in.
PERIOD_S = 60.0 / 117.3
BEATS_S = tuple(0.31 + index * PERIOD_S for index in range(40))
TIMELINE = Timeline.from_grid(BeatGrid(117.3, BEATS_S, BEATS_S[::4]), 22.0)
NOTES = {
    "bass": [Note(BEATS_S[index], BEATS_S[index] + 0.3, 33 + index % 7, 90 + index) for index in range(0, 30, 2)],
    "melody": [Note(0.4 + index * 0.17, 0.6 + index * 0.17, 60 + index % 12, 50 + index) for index in range(60)],
    "vocals": [Note(1.0, 2.0, 65, 100, bend=((0.0, -0.4), (0.3, 0.2)))],
    "drums": [Note(beat_s, beat_s + 0.05, (36, 42, 38, 46)[index % 4], 100) for index, beat_s in enumerate(BEATS_S)],
}
MARKERS = [(0.0, "N"), (BEATS_S[0], "Section A"), (BEATS_S[0], "Am7"), (BEATS_S[4], "F#m")]
#: Half a tick at this tempo, and rounding to whole microseconds a beat over the song.
TOLERANCE_S = 0.0008


@pytest.fixture
def song(tmp_path: Path) -> Path:
    parts = [MidiPart.of(name, notes, MidiOptions(pitch_bend=True)) for name, notes in NOTES.items()]
    path = tmp_path / "song.mid"
    path.write_bytes(song_file(parts, TIMELINE, key="A minor", markers=MARKERS))
    return path


@pytest.fixture(params=list(NOTES))
def part(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    path = tmp_path / f"{request.param}.mid"
    path.write_bytes(part_file(MidiPart.of(request.param, NOTES[request.param]), TIMELINE))
    return request.param, path


def same_notes(read: list[tuple[float, int, int]], name: str) -> None:
    """(seconds, pitch, velocity) rows are the part's notes."""
    wanted = [(note.onset_s, note.pitch, note.velocity) for note in sorted(NOTES[name])]
    read = sorted(read)
    assert [row[1:] for row in read] == [row[1:] for row in wanted]
    assert [row[0] for row in read] == pytest.approx([row[0] for row in wanted], abs=TOLERANCE_S)


def test_pretty_midi_reads_a_song(song: Path):
    pretty_midi = pytest.importorskip("pretty_midi")
    midi = pretty_midi.PrettyMIDI(str(song))
    assert {instrument.name: instrument.is_drum for instrument in midi.instruments} == {
        "bass": False,
        "melody": False,
        "vocals": False,
        "drums": True,
    }
    for instrument in midi.instruments:
        same_notes([(note.start, note.pitch, note.velocity) for note in instrument.notes], instrument.name)
    starts_s, tempos = midi.get_tempo_changes()
    assert tempos[-1] == pytest.approx(117.3, abs=0.001)
    assert starts_s[-1] == pytest.approx(BEATS_S[0], abs=1e-5)
    assert midi.get_downbeats()[1:6] == pytest.approx(BEATS_S[:20:4], abs=1e-3)
    assert midi.resolution == 480


def test_pretty_midi_reads_every_part(part: tuple[str, Path]):
    pretty_midi = pytest.importorskip("pretty_midi")
    name, path = part
    (instrument,) = pretty_midi.PrettyMIDI(str(path)).instruments
    same_notes([(note.start, note.pitch, note.velocity) for note in instrument.notes], name)
    assert instrument.is_drum == (name == "drums")


def midicsv(path: Path) -> list[list[str]]:
    program = shutil.which("midicsv")
    if program is None:
        pytest.skip("midicsv is not installed (Debian: apt install midicsv)")
    lines = subprocess.run([program, str(path)], check=True, capture_output=True, text=True).stdout.splitlines()
    return list(csv.reader(lines, skipinitialspace=True))


def onsets(rows: list[list[str]]) -> list[tuple[float, int, int]]:
    """The note-ons in seconds, by the file's own tempo events."""
    tempos = [(int(row[1]), int(row[3])) for row in rows if row[2] == "Tempo"]
    read = []
    for row in rows:
        if row[2] == "Note_on_c" and int(row[5]):
            ticks = [*(tick for tick, _ in tempos if tick < int(row[1])), int(row[1])]
            spans = zip(ticks, ticks[1:], tempos, strict=False)
            seconds = sum((stop - start) * tempo / 480e6 for start, stop, (_, tempo) in spans)
            read.append((seconds, int(row[4]), int(row[5])))
    return read


def test_midicsv_reads_a_song(song: Path):
    rows = midicsv(song)
    assert rows[0][2:] == ["Header", "1", "5", "480"]
    assert [row[3] for row in rows if row[2] == "Title_t"] == ["song", "bass", "melody", "vocals", "drums"]
    assert 60e6 / int([row for row in rows if row[2] == "Tempo"][-1][3]) == pytest.approx(117.3, abs=0.001)
    assert [row[3:] for row in rows if row[2] == "Key_signature"] == [["0", "minor"]]
    markers = [row for row in rows if row[2] == "Marker_t"]
    assert [(row[0], row[3]) for row in markers] == [("1", text) for _, text in MARKERS]
    assert int(markers[3][1]) - int(markers[1][1]) == 4 * 480
    tempo = [row for row in rows if row[2] == "Tempo"]
    for number, name in enumerate(NOTES, start=2):
        track = [row for row in rows if row[0] == str(number)]
        same_notes(onsets([*tempo, *track]), name)
        assert track[-1][2] == "End_track"
        channel = {row[3] for row in track if row[2].endswith("_c")}
        assert channel == {str(number - 2 if name != "drums" else 9)}


def test_midicsv_reads_every_part(part: tuple[str, Path]):
    name, path = part
    rows = midicsv(path)
    assert rows[0][2:] == ["Header", "0", "1", "480"]
    same_notes(onsets(rows), name)
    signatures = [row[3:5] for row in rows if row[2] == "Time_signature"]
    assert signatures[-1] == ["4", "2"]
    assert sum(row[2] == "Note_off_c" for row in rows) == len(NOTES[name])
