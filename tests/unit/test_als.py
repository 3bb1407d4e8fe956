"""What is in a Live Set, by its own rules and those of the sets that Live saves."""

from __future__ import annotations

import gzip
import importlib.util
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.deliver import als
from bridge.deliver.als.palette import PALETTE, palette_index
from bridge.errors import AudioUnreadable, Cancelled
from bridge.model import DeliverOptions, MidiOptions, Note
from bridge.music.chords import Chord
from bridge.music.sections import Section
from bridge.progress import Progress
from bridge.write.manifest import COLORS
from tests.daw_support import ROOT, Folder, ReadSet, part, problems, song, steady, stem, value

SILENT = DeliverOptions(audio_tracks=False)
PARTS = ("bass", "melody", "vocals", "drums")


def written(made, folder: Path, options: DeliverOptions = SILENT) -> ReadSet:
    als.write(made, Folder(folder), options, Progress())
    return ReadSet((folder / f"{made.name} Project" / f"{made.name}.als").read_bytes())


def band(audio: Path | None = None):
    """The parts of a song and two components."""
    notes = [Note(0.5, 1.0, 40, 90), Note(1.0, 1.25, 43, 60)]
    hits = [Note(0.5, 0.6, 36, 100), Note(1.0, 1.1, 38, 80)]
    return [
        *(part(name, notes, audio=audio) for name in PARTS[:3]),
        part("drums", hits, audio=audio),
        part("kick", hits[:1], audio=audio, parent="drums", color=0xA95131),
        part("snare", hits[1:], audio=audio, parent="drums", color=0xFFA529),
    ]


def test_the_file_is_a_gzip_without_name_or_time_of_the_schema_of_live_11_3(tmp_path: Path):
    read = written(song(band()), tmp_path)
    header = (tmp_path / "song Project/song.als").read_bytes()[:10]
    assert header[:4] == b"\x1f\x8b\x08\0"
    assert header[4:8] == bytes(4)
    assert read.root.tag == "Ableton"
    assert read.root.attrib["MinorVersion"] == "11.0_11300"
    assert read.root.attrib["Creator"].startswith("Ableton Live 11.3")


def test_every_part_and_component_has_a_named_coloured_track_and_the_drums_are_a_folded_group(tmp_path: Path):
    read = written(song(band()), tmp_path)
    assert read.names() == ["bass", "melody", "vocals", "Drums", "drums", "kick", "snare"]
    assert read.names("MidiTrack") == ["bass", "melody", "vocals", "drums", "kick", "snare"]
    group = read.named("Drums")
    assert (group.tag, value(group, "TrackUnfolded")) == ("GroupTrack", "false")
    members = [track for track in read.tracks if value(track, "TrackGroupId") == group.get("Id")]
    assert [value(track, "Name/UserName") for track in members] == ["drums", "kick", "snare"]
    assert {value(track, "DeviceChain/AudioOutputRouting/Target") for track in members} == {"AudioOut/GroupTrack"}
    shown = {value(track, "Name/UserName"): PALETTE[int(value(track, "Color"))] for track in read.tracks}
    assert (shown["bass"], shown["Drums"], shown["kick"]) == (0x5480E4, 0xF66C03, 0xA95131)
    assert value(read.clip("kick"), "Color") == value(read.named("kick"), "Color")


def test_colours_of_manifests_are_in_the_palette_and_others_become_the_nearest():
    assert all(PALETTE[palette_index(int(color, 16))] == int(color, 16) for color in COLORS.values())
    assert PALETTE[palette_index(0x5481E5)] == 0x5480E4
    assert len(PALETTE) == 70


def test_notes_lie_at_their_ticks_with_their_velocities_and_the_clip_ends_at_a_bar_line(tmp_path: Path):
    read = written(song(band(), duration_s=15.0), tmp_path)
    assert read.notes("bass") == [(1.0, 1.0, 40, 90), (2.0, 0.5, 43, 60)]
    clip = read.clip("bass")
    assert (clip.get("Time"), value(clip, "CurrentStart"), value(clip, "CurrentEnd")) == ("0", "0", "32")
    numbers = [int(event.get("NoteId")) for event in clip.iter("MidiNoteEvent")]
    assert sorted(numbers) == [1, 2]
    assert value(clip, "Notes/NoteIdGenerator/NextId") == "3"


def test_notes_of_one_pitch_never_overlap(tmp_path: Path):
    notes = [Note(0.0, 2.0, 60, 80), Note(1.0, 1.5, 60, 90), Note(1.0, 3.0, 60, 70)]
    assert written(song([part("melody", notes)]), tmp_path).notes("melody") == [(0.0, 2.0, 60, 80), (2.0, 4.0, 60, 90)]


def test_a_part_without_notes_has_a_track_without_clips(tmp_path: Path):
    track = written(song([part("bass")]), tmp_path).named("bass")
    assert not list(track.iter("MidiClip"))


def test_stems_are_unwarped_audio_tracks_in_the_projects_own_folder(tmp_path: Path):
    audio = stem(tmp_path / "stem.wav", 2.0)
    read = written(song(band(audio), steady(first_s=0.3)), tmp_path, DeliverOptions())
    assert read.names()[:4] == ["bass", "bass stem", "melody", "melody stem"]
    clip = read.clip("bass stem")
    assert value(clip, "IsWarped") == "false"
    assert float(clip.get("Time")) == pytest.approx(3.4)  # 0.3 s at 120 BPM before the second bar
    assert float(value(clip, "CurrentEnd")) == pytest.approx(3.4 + 4.0)
    assert (value(clip, "Loop/LoopEnd"), value(clip, "Loop/OutMarker")) == ("2", "2"), (
        "seconds, where nothing is warped"
    )
    assert (value(clip, "SampleRef/DefaultDuration"), value(clip, "SampleRef/DefaultSampleRate")) == ("16000", "8000")
    file = clip.find("SampleRef/FileRef")
    assert (value(file, "RelativePathType"), value(file, "RelativePath")) == ("3", "Samples/Imported/bass.wav")
    assert value(file, "Path") == "/results/song/song Project/Samples/Imported/bass.wav"
    assert (tmp_path / "song Project/Samples/Imported/bass.wav").read_bytes() == audio.read_bytes()
    assert (tmp_path / "song Project/Ableton Project Info").is_dir()


def test_only_stems_that_no_other_holds_are_heard(tmp_path: Path):
    read = written(song(band(stem(tmp_path / "stem.wav"))), tmp_path, DeliverOptions())
    heard = {name: value(read.named(name), "DeviceChain/Mixer/Speaker/Manual") for name in read.names("AudioTrack")}
    assert heard == {
        **{f"{name} stem": "true" for name in PARTS},
        "kick stem": "false",
        "snare stem": "false",
    }
    assert value(read.named("kick"), "DeviceChain/Mixer/Speaker/Manual") == "true"


def test_without_audio_or_stems_there_are_no_audio_tracks_and_no_samples(tmp_path: Path):
    written(song(band(stem(tmp_path / "stem.wav"))), tmp_path)
    assert not (tmp_path / "song Project/Samples").exists()
    assert written(song(band()), tmp_path, DeliverOptions()).names("AudioTrack") == []


def test_samples_take_no_room_of_their_own_where_the_file_system_can_share(tmp_path: Path):
    audio = stem(tmp_path / "stem.wav")
    written(song(band(audio)), tmp_path, DeliverOptions())
    assert (tmp_path / "song Project/Samples/Imported/bass.wav").samefile(audio)


def test_samples_are_copied_where_they_cannot_be_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise OSError("not on this file system")

    monkeypatch.setattr("os.link", refuse)
    audio = stem(tmp_path / "stem.wav")
    written(song(band(audio)), tmp_path, DeliverOptions())
    copied = tmp_path / "song Project/Samples/Imported/bass.wav"
    assert copied.read_bytes() == audio.read_bytes()
    assert not copied.samefile(audio)


def test_a_stem_that_is_gone_is_said_in_one_line(tmp_path: Path):
    with pytest.raises(AudioUnreadable, match=r"gone\.wav cannot be read; convert the recording again"):
        written(song([part("bass", audio=tmp_path / "gone.wav")]), tmp_path, DeliverOptions())


def test_it_stops_when_asked_to(tmp_path: Path):
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        als.write(song(band()), Folder(tmp_path), SILENT, Progress(cancelled=stop))


def test_a_bend_is_an_envelope_of_steps_that_moves_the_tracks_own_wheel(tmp_path: Path):
    bent = Note(0.5, 1.5, 57, 90, bend=((0.0, 0.0), (0.25, 1.0), (0.5, -2.0)))
    parts = [part("vocals", [bent]), part("melody", [bent])]
    read = written(song(parts, midi=MidiOptions(pitch_bend=True)), tmp_path)
    (envelope,) = read.clip("vocals").iter("ClipEnvelope")
    wheel = read.named("vocals").find("DeviceChain/MainSequencer/MidiControllers/ControllerTargets.0")
    assert value(envelope, "EnvelopeTarget/PointeeId") == wheel.get("Id")
    points = [(float(it.get("Time")), float(it.get("Value"))) for it in envelope.iter("FloatEvent")]
    assert points[0] == (-63072000, 0)
    assert points[1:] == [(1.5, 0), (1.5, 4096), (2.0, 4096), (2.0, -8192), (3.0, -8192), (3.0, 0)]
    assert value(read.clip("vocals"), "Annotation").endswith("set the instrument's bend range to ±2.")
    assert value(read.clip("melody"), "Annotation") == ""
    assert not list(read.clip("melody").iter("ClipEnvelope")), "a part of several voices bends none of them alone"


def test_bends_are_left_out_unless_asked_for(tmp_path: Path):
    bent = Note(0.5, 1.5, 57, 90, bend=((0.0, 1.0),))
    assert not list(written(song([part("vocals", [bent])]), tmp_path).clip("vocals").iter("ClipEnvelope"))


def test_locators_name_sections_loops_and_chords_one_for_each_place(tmp_path: Path):
    grid = steady(beats=80)
    read = written(
        song(
            [part("bass")],
            grid,
            40.0,
            sections=(Section(0.0, 16.0, "A"), Section(16.002, 40.0, "B")),
            chords=(
                Chord(0.0, 1.0, "Am", 1.0),
                Chord(1.0, 2.0, "Am", 1.0),
                Chord(2.0, 3.0, "N", 1.0),
                Chord(3.0, 16.0, "F#m7", 1.0),
            ),
        ),
        tmp_path,
    )
    assert read.locators() == [
        (0.0, "Section A · Bars 1–8 · Am"),
        (6.0, "F#m7"),
        (32.0, "Section B · Bars 9–16"),
        (64.0, "Bars 17–20"),
    ]


def test_locators_are_as_far_apart_as_loops_and_number_bars_like_them(tmp_path: Path):
    grid = steady(downbeat=2, beats=18)  # a pick-up of two beats, then four bars
    read = written(song([part("bass")], grid, 9.0), tmp_path, DeliverOptions(audio_tracks=False, loop_bars=3))
    assert read.locators() == [(0.0, "Pick-up"), (4.0, "Bars 1–3"), (16.0, "Bar 4")]


@pytest.mark.parametrize(
    "key, root, name",
    [
        (None, "0", "Major"),
        ("A minor", "9", "Minor"),
        ("Eb major", "3", "Major"),
        ("F# minor", "6", "Minor"),
        ("?", "0", "Major"),
    ],
)
def test_the_key_is_the_scale_of_the_set_and_its_clips(tmp_path: Path, key: str | None, root: str, name: str):
    read = written(song(band(), key=key), tmp_path)
    for place in (read.set, read.clip("bass")):
        assert (value(place, "ScaleInformation/RootNote"), value(place, "ScaleInformation/Name")) == (root, name)


@pytest.mark.parametrize("meter, code", [((4, 4), 201), ((3, 4), 200), ((6, 8), 302), ((7, 8), 303)])
def test_the_meter_is_lives_number_of_it(tmp_path: Path, meter: tuple[int, int], code: int):
    grid = steady(per_bar=meter[0] * 4 // meter[1] if meter != (7, 8) else 7)
    grid = type(grid)(grid.bpm, grid.beats_s, grid.downbeats_s, meter)
    read = written(song(band(), grid), tmp_path)
    assert value(read.set, "MasterTrack/DeviceChain/Mixer/TimeSignature/Manual") == str(code)
    assert read.meter_points == [(-63072000, code)]
    assert value(read.clip("bass"), "TimeSignature/TimeSignatures/RemoteableTimeSignature/Numerator") == str(meter[0])


def test_what_can_be_automated_has_a_number_of_its_own_below_the_next_one(tmp_path: Path):
    read = written(song(band(stem(tmp_path / "stem.wav"))), tmp_path, DeliverOptions())
    pointees = [
        int(element.get("Id"))
        for element in read.root.iter()
        if element.tag == "Pointee" or [child.tag for child in element] == ["LockEnvelope"]
    ]
    assert len(set(pointees)) == len(pointees)
    numbers = [int(element.get("Id")) for element in read.root.iter() if element.get("Id") is not None]
    assert 0 not in pointees
    assert int(value(read.set, "NextPointeeId")) > max(1000, *numbers)
    tracks = Counter(track.get("Id") for track in read.tracks)
    assert set(tracks.values()) == {1}
    assert not set(map(int, tracks)) & set(pointees)


def test_the_same_song_gives_the_same_bytes(tmp_path: Path):
    made = song(band(stem(tmp_path / "stem.wav")), key="A minor")
    for folder in ("one", "other"):
        als.write(made, Folder(tmp_path / folder), DeliverOptions(), Progress())
    one, other = (tmp_path / folder / "song Project/song.als" for folder in ("one", "other"))
    assert one.read_bytes() == other.read_bytes()


def test_a_name_as_long_as_a_file_may_have_leaves_room_for_what_follows_it(tmp_path: Path):
    name = "ü" * 127
    als.write(song(band(), name=name), Folder(tmp_path), SILENT, Progress())
    assert [path.name for path in tmp_path.iterdir()] == ["ü" * 123 + " Project"]
    assert [path.name for path in tmp_path.glob("*/*.als")] == ["ü" * 125 + ".als"]


def test_names_that_xml_cannot_hold_are_cleaned(tmp_path: Path):
    odd = "a\0b\x1b<&>\"'\udc80\ufffe\n"
    read = written(song([part(odd, [Note(0, 1, 60, 1)]), part("\t")], name="x\udcff"), tmp_path)
    assert read.names() == ["a b <&>\"'\ufffd\ufffd", "untitled"]
    assert value(read.set, "Annotation").startswith("x\ufffd")


def test_sixty_tracks_pass_the_checker(tmp_path: Path):
    audio = stem(tmp_path / "stem.wav")
    parts = [part(f"part {index}", [Note(0.5, 1, 60, 1)], audio=audio if index < 10 else None) for index in range(50)]
    written(song(parts), tmp_path, DeliverOptions())
    assert problems(tmp_path / "song Project/song.als") == []


def test_twenty_thousand_notes_pass_the_checker(tmp_path: Path):
    notes = [Note(0.01 * index, 0.01 * index + 0.3, 30 + index % 61, 1 + index % 127) for index in range(20_000)]
    read = written(song([part("melody", notes)], steady(beats=420), 210.0), tmp_path)
    assert len(read.notes("melody")) == 20_000
    assert problems(tmp_path / "song Project/song.als") == []


def test_the_checker_fails_a_broken_set(tmp_path: Path):
    written(song(band()), tmp_path)
    file = tmp_path / "song Project/song.als"
    broken = gzip.decompress(file.read_bytes()).replace(b'<IsInKey Value="false" />', b"", 1)
    file.write_bytes(gzip.compress(broken, mtime=0))
    assert any("IsInKey" in problem for problem in problems(file))


def test_each_rung_of_the_ladder_for_testers_passes_the_checker_and_has_more_in_it(tmp_path: Path):
    spec = importlib.util.spec_from_file_location("make_live_ladder", ROOT / "tools/make_live_ladder.py")
    ladder = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(ladder)
    bent = part("vocals", [Note(0.5, 1.5, 57, 90, bend=((0.0, 1.0),))], audio=stem(tmp_path / "stem.wav"))
    sizes = []
    for name, rung, options in ladder.rungs(song([bent, *band()])):
        written(replace(rung, name=name), tmp_path, options)
        path = tmp_path / f"{name} Project" / f"{name}.als"
        assert problems(path) == []
        sizes.append(len(gzip.decompress(path.read_bytes())))
    assert sizes == sorted(sizes)
    assert len(sizes) == 4
