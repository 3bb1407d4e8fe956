"""What is in a DAWproject."""

from __future__ import annotations

import hashlib
import shutil
import threading
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path

import pytest

from bridge.deliver import dawproject
from bridge.errors import Cancelled, OutputUnwritable
from bridge.model import BeatGrid, DeliverOptions, MidiOptions, Note
from bridge.music.chords import Chord
from bridge.progress import Progress
from tests.daw_support import Folder, part, song, steady, stem
from tests.dawproject_format import faults


def written(made, folder: Path, options: DeliverOptions | None = None) -> ET.Element:
    dawproject.write(made, Folder(folder), options or DeliverOptions(), Progress())
    with zipfile.ZipFile(folder / f"{made.name}.dawproject") as archive:
        return ET.fromstring(archive.read("project.xml"))


def band(audio: Path | None = None):
    notes = [Note(0.5, 1.0, 40, 127), Note(1.0, 1.25, 43, 64)]
    return [
        part("bass", notes, audio=audio),
        part("drums", [Note(0.5, 0.6, 36, 100)], audio=audio),
        part("kick", [Note(0.5, 0.6, 36, 100)], audio=audio, parent="drums", color=0xA95131),
    ]


def test_tracks_are_named_coloured_and_grouped_and_lead_to_the_master(tmp_path: Path):
    root = written(song(band(stem(tmp_path / "stem.wav"))), tmp_path)
    top = root.findall("Structure/Track")
    assert [(it.get("name"), it.get("contentType")) for it in top] == [
        ("bass", "notes"),
        ("bass stem", "audio"),
        ("Drums", "tracks"),
        ("Master", "audio notes"),
    ]
    members = top[2].findall("Track")
    assert [(it.get("name"), it.get("color")) for it in members] == [
        ("drums", "#f66c03"),
        ("drums stem", "#f66c03"),
        ("kick", "#a95131"),
        ("kick stem", "#a95131"),
    ]
    channel = top[2].find("Channel")
    assert {it.find("Channel").get("destination") for it in members} == {channel.get("id")}
    assert channel.get("destination") == top[0].find("Channel").get("destination") == top[3].find("Channel").get("id")
    assert [it.find("Channel/Mute").get("value") for it in members] == ["false", "false", "false", "true"]


def test_notes_lie_at_their_beats_with_their_velocities_and_channels(tmp_path: Path):
    root = written(song(band()), tmp_path)
    notes = [
        tuple(note.get(name) for name in ("time", "duration", "key", "channel"))
        for note in root.findall("Arrangement/Lanes/Lanes[1]//Note")
    ]
    assert notes == [("1", "1", "40", "0"), ("2", "0.5", "43", "0")]
    assert [float(note.get("vel")) for note in root.findall("Arrangement/Lanes/Lanes[1]//Note")] == pytest.approx(
        [1.0, 64 / 127]
    )
    assert {note.get("channel") for note in root.findall("Arrangement/Lanes/Lanes[2]//Note")} == {"9"}


def test_stems_are_in_the_archive_and_lie_in_beats_where_their_seconds_are(tmp_path: Path):
    audio = stem(tmp_path / "stem.wav", 2.0)
    root = written(song(band(audio), steady(first_s=0.3)), tmp_path)
    clip = next(clip for clip in root.iter("Clip") if clip.find("Audio") is not None)
    assert float(clip.get("time")) == pytest.approx(3.4)
    assert float(clip.get("duration")) == pytest.approx(4.0)
    assert (clip.get("contentTimeUnit"), clip.find("Audio").get("duration")) == ("seconds", "2")
    with zipfile.ZipFile(tmp_path / "song.dawproject") as archive:
        assert archive.read(clip.find("Audio/File").get("path")) == audio.read_bytes()
        flags = {info.flag_bits & 8 for info in archive.infolist()}
    assert flags == {0}, "sizes stand before the data, where Cubase looks for them"


def test_without_audio_there_are_only_notes(tmp_path: Path):
    root = written(song(band(stem(tmp_path / "stem.wav"))), tmp_path, DeliverOptions(audio_tracks=False))
    assert not list(root.iter("Audio"))
    assert zipfile.ZipFile(tmp_path / "song.dawproject").namelist() == ["metadata.xml", "project.xml"]


def test_tempo_and_meter_change_in_steps_where_the_song_does(tmp_path: Path):
    beats = (0.0, 0.5, 1.0, 1.6, 2.2, 2.8, 3.4)
    root = written(song(band(), BeatGrid(110.0, beats, (beats[0], beats[5]), is_constant=False), 4.0), tmp_path)
    assert root.find("Transport/Tempo").get("value") == "120"
    points = root.findall("Arrangement/TempoAutomation/RealPoint")
    assert [(it.get("time"), it.get("value"), it.get("interpolation")) for it in points] == [
        ("0", "120", "hold"),
        ("2", "100", "hold"),
    ]
    changes = root.findall("Arrangement/TimeSignatureAutomation/TimeSignaturePoint")
    assert [(it.get("time"), it.get("numerator")) for it in changes] == [("0", "5"), ("5", "4")]
    steady_root = written(song(band()), tmp_path)
    assert steady_root.find("Arrangement/TempoAutomation") is None
    assert steady_root.find("Arrangement/TimeSignatureAutomation") is None


def test_bends_are_points_of_the_pitch_wheel_with_its_middle_at_a_half(tmp_path: Path):
    bent = Note(0.5, 1.5, 57, 90, bend=((0.0, 1.0), (0.5, -2.0)))
    root = written(song([part("vocals", [bent])], midi=MidiOptions(pitch_bend=True)), tmp_path)
    points = root.find(".//Clip/Lanes/Points")
    assert points.find("Target").get("expression") == "pitchBend"
    assert [(it.get("time"), it.get("value"), it.get("interpolation")) for it in points.iter("RealPoint")] == [
        ("1", "0.75", "hold"),
        ("2", "0", "hold"),
        ("3", "0.5", "hold"),
    ]
    assert root.find(".//Clip").get("comment").endswith("set the instrument's bend range to ±2.")
    assert faults(tmp_path / "song.dawproject") == []


def test_markers_and_metadata_say_what_the_live_set_says(tmp_path: Path):
    made = song(band(), key="A minor", chords=(Chord(2.0, 4.0, "F<&>", 1.0),))
    root = written(made, tmp_path)
    markers = [(it.get("time"), it.get("name")) for it in root.iter("Marker")]
    assert markers == [("0", "Bars 1–8"), ("4", "F<&>")]
    metadata = ET.fromstring(zipfile.ZipFile(tmp_path / "song.dawproject").read("metadata.xml"))
    assert metadata.findtext("Title") == "song"
    assert "A minor" in metadata.findtext("Comment")


def test_the_same_song_gives_the_same_bytes(tmp_path: Path):
    made = song(band(stem(tmp_path / "stem.wav")))
    digests = set()
    for folder in ("one", "other"):
        written(made, tmp_path / folder)
        digests.add(hashlib.sha256((tmp_path / folder / "song.dawproject").read_bytes()).digest())
    assert len(digests) == 1


def test_a_disk_without_room_is_said_before_anything_is_written(tmp_path: Path, monkeypatch):
    audio = stem(tmp_path / "stem.wav")
    free = shutil.disk_usage(tmp_path)._replace(free=audio.stat().st_size)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: free)
    with pytest.raises(OutputUnwritable, match=r"^the DAWproject needs \d+ MB .* free some space$"):
        written(song(band(audio)), tmp_path)
    assert not (tmp_path / "song.dawproject").exists()


def test_it_stops_when_asked_to(tmp_path: Path):
    stop = threading.Event()
    made = song(band(stem(tmp_path / "stem.wav")))
    with pytest.raises(Cancelled):
        dawproject.write(made, Folder(tmp_path), DeliverOptions(), Progress(lambda _: stop.set(), stop))


def test_the_rules_find_what_is_wrong(tmp_path: Path):
    written(song(band()), tmp_path)
    with zipfile.ZipFile(tmp_path / "song.dawproject") as archive:
        text, metadata = archive.read("project.xml").decode(), archive.read("metadata.xml")
    breaks = {
        'unit="bpm"': 'unit="furlongs"',
        'destination="master-channel"': 'destination="nowhere"',
        'id="tempo"': 'id="7"',
        ' key="40"': "",
        "<Scenes />": "<Scene />",
        'id="lanes"': 'id="tempo"',
    }
    for good, bad in breaks.items():
        assert good in text
        with zipfile.ZipFile(tmp_path / "broken.dawproject", "w") as archive:
            archive.writestr("project.xml", text.replace(good, bad, 1))
            archive.writestr("metadata.xml", metadata)
        assert faults(tmp_path / "broken.dawproject"), good
