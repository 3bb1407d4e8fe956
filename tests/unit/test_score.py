from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import threading
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from bridge.deliver import score
from bridge.deliver.engrave import engrave
from bridge.deliver.engrave_child import Job, tidied, typst_source
from bridge.deliver.score_sheet import excerpts, full_score, piano_reduction
from bridge.deliver.score_xml import musicxml
from bridge.errors import Cancelled, EngineFailed
from bridge.model import DeliverOptions, Note
from bridge.music.chords import Chord
from bridge.music.sections import Section
from bridge.progress import Progress
from tests.daw_support import Folder, part, song, steady
from tests.score_support import complaints, heard


def line(*pitches: int, beats: float = 1.0, start: float = 0.0) -> list[Note]:
    """At 120 BPM, one after the other."""
    return [
        Note((start + index * beats) / 2, (start + (index + 1) * beats) / 2 - 0.01, pitch, 90)
        for index, pitch in enumerate(pitches)
    ]


def read(made) -> ET.Element:
    data = musicxml(full_score(made, Progress()), Progress())
    assert complaints(data) == []
    return ET.fromstring(data)


def band(**more):
    drums = [Note(index * 0.5, index * 0.5 + 0.1, (36, 42, 38, 42)[index % 4], 100) for index in range(16)]
    parts = [
        part("bass", line(28, 31, 33, 28, 28, 31, 33, 35)),
        part("vocals", line(69, 71, 72, 74, beats=2)),
        part("melody", [note for pitch in (60, 64, 67) for note in line(pitch, pitch, beats=4)]),
        part("drums", drums),
        part("kick", drums[::4], parent="drums"),
    ]
    return song(parts, steady(), 16.0, name="A & B <song>", key="A minor", **more)


def test_each_part_has_its_staff_with_clef_key_and_time():
    root = read(band())
    assert root.findtext("work/work-title") == "A & B <song>"
    names = [entry.findtext("part-name") for entry in root.iter("score-part")]
    assert names == ["Vocals", "Melody", "Bass", "Drums"]
    clefs = [part.find("measure/attributes/clef") for part in root.iter("part")]
    assert [(it.findtext("sign"), it.findtext("clef-octave-change")) for it in clefs] == [
        ("G", None),
        ("G", None),
        ("F", "-1"),
        ("percussion", None),
    ]
    assert {it.findtext("beats") for it in root.iter("time")} == {"4"}
    assert {it.findtext("mode") for it in root.iter("key")} == {"minor"}


def test_what_is_written_sounds_as_it_was_played():
    parts = list(read(band()).iter("part"))
    assert [(note.bar, note.place, note.length, note.pitch) for note in heard(parts[0])] == [
        (0, 0, 2, 69),
        (0, 2, 2, 71),
        (1, 0, 2, 72),
        (1, 2, 2, 74),
    ]
    assert [note.pitch for note in heard(parts[2])] == [28, 31, 33, 28, 28, 31, 33, 35]


def test_a_note_tied_over_a_bar_line_is_one_note():
    made = song([part("vocals", [Note(1.5, 2.5, 70, 90)])], steady(), 4.0)
    assert [note.length for note in heard(next(read(made).iter("part")))] == [2.0]


def test_drums_stand_where_drummers_read_them():
    drums = list(read(band()).iter("part"))[3]
    first, second = [note for note in drums.find("measure").iter("note") if note.find("unpitched") is not None][:2]
    where = {
        (it.findtext("unpitched/display-step") + it.findtext("unpitched/display-octave"), it.findtext("notehead"))
        for it in drums.iter("note")
        if it.find("unpitched") is not None
    }
    assert where == {("F4", "normal"), ("C5", "normal"), ("G5", "x")}
    assert first.findtext("voice") == second.findtext("voice") == "1"


def test_accidentals_hold_to_the_end_of_the_bar():
    made = song([part("vocals", line(66, 66, 65, 66, 66))], steady(), 4.0, key="C major")
    shown = [note.findtext("accidental") for note in read(made).iter("note") if note.find("pitch") is not None]
    assert shown == ["sharp", None, "natural", "sharp", "sharp"]


def test_chords_sections_and_tempo_stand_above_the_first_staff_only():
    chords = (Chord(0.0, 1.0, "Am7", 0.9), Chord(1.0, 2.0, "Bb", 0.9), Chord(2.0, 16.0, "N", 0.9))
    root = read(band(chords=chords, sections=(Section(0.0, 4.0, "A"), Section(4.0, 16.0, "B"))))
    first, *others = root.iter("part")
    assert [
        (it.findtext("root/root-step"), it.findtext("root/root-alter"), it.findtext("kind"), it.findtext("offset"))
        for it in first.iter("harmony")
    ] == [("A", None, "minor-seventh", None), ("B", "-1", "major", "960"), ("C", None, "none", None)]
    assert [it.text for it in first.iter("rehearsal")] == ["A", "B"]
    assert first.findtext(".//per-minute") == "120"
    assert not any(list(other.iter("harmony")) or list(other.iter("direction")) for other in others)


def test_a_pick_up_is_bar_nought_and_silence_before_the_first_beat_is_left_out():
    upbeat = song([part("vocals", line(60, 62, 64))], steady(downbeat=1, beats=9), 4.5)
    assert [bar.get("number") for bar in read(upbeat).iter("measure")] == ["0", "1"]
    late = song([part("vocals", line(60, 62, start=2))], steady(first_s=1.0, beats=9), 5.0)
    assert [bar.get("number") for bar in read(late).iter("measure")] == ["1"]


def test_a_song_in_which_nothing_was_found_is_a_bar_of_rest():
    empty = read(song([part("bass"), part("drums")], steady(), 4.0))
    assert [it.findtext("part-name") for it in empty.iter("score-part")] == ["Bass"]
    assert len(list(empty.iter("rest"))) == 1


def test_a_part_for_two_hands_has_two_staves():
    notes = line(72, 74, 76, 77) + line(40, 43, 45, 47)
    root = read(song([part("melody", notes)], steady(), 4.0))
    assert root.findtext(".//staves") == "2"
    assert [it.findtext("sign") for it in root.iter("clef")] == ["G", "F"]
    assert sorted(note.pitch for note in heard(next(root.iter("part")))) == [40, 43, 45, 47, 72, 74, 76, 77]


def test_the_reduction_has_melody_and_harmony_above_the_bass():
    chords = (Chord(0.0, 16.0, "Am", 0.9),)
    data = musicxml(piano_reduction(band(chords=chords), Progress()), Progress())
    assert complaints(data) == []
    (piano,) = ET.fromstring(data).iter("part")
    by_voice: dict[str, set[int]] = {}
    for note in piano.iter("note"):
        if note.find("pitch") is not None:
            by_voice.setdefault(note.findtext("voice"), set()).add(note.findtext("pitch/step"))
    assert by_voice == {"1": {"A", "B", "C", "D"}, "2": {"A", "C", "E"}, "5": {"E", "G", "A", "B"}}


def test_pieces_of_a_long_score_go_on_counting():
    notes = line(*(60,) * 40)
    sheet = full_score(song([part("melody", notes)], steady(beats=40), 20.0), Progress())
    pieces = list(excerpts(sheet, 4))
    numbers = [[bar.get("number") for bar in ET.fromstring(musicxml(it, Progress())).iter("measure")] for it in pieces]
    assert numbers == [["1", "2", "3", "4"], ["5", "6", "7", "8"], ["9", "10"]]
    assert all(complaints(musicxml(it, Progress())) == [] for it in pieces)


def test_the_pages_are_svg_and_pdf_and_the_same_each_time(tmp_path):
    made = band(chords=(Chord(0.0, 16.0, "Bbmaj7", 0.9),))
    for run in ("one", "two"):
        score.write(made, Folder(tmp_path / run), DeliverOptions(), Progress())
    files = sorted(path.name for path in (tmp_path / "one/score").iterdir())
    assert files == [
        "piano-01.svg",
        "piano.musicxml",
        "piano.pdf",
        "score-01.svg",
        "score.musicxml",
        "score.pdf",
    ]
    page = (tmp_path / "one/score/score-01.svg").read_text("utf-8")
    ET.fromstring(page)
    assert "A &amp; B &lt;song&gt;" in page
    assert "♭" in page
    assert "♩" in page
    assert not any("\ue000" <= letter <= "\uf8ff" for letter in page)  # no text in a font that only Verovio has
    assert (tmp_path / "one/score/score.pdf").read_bytes().startswith(b"%PDF-")
    sums = [
        [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted((tmp_path / run / "score").iterdir())]
        for run in ("one", "two")
    ]
    assert sums[0] == sums[1]


def test_cancelling_ends_the_engraver_and_leaves_no_pages(tmp_path):
    asked = threading.Event()
    listener = Progress(lambda report: asked.set() if report.fraction > 0.2 else None, asked)
    with pytest.raises(Cancelled):
        score.write(band(), Folder(tmp_path), DeliverOptions(), listener)
    assert not list(tmp_path.rglob("*.svg"))


def test_a_failing_engraver_is_one_clear_line(tmp_path):
    with pytest.raises(EngineFailed, match=r"^engraving the score failed \(.*x\.musicxml.*\); deliver without score$"):
        engrave(Job(tmp_path, "x", {"x": ("x.musicxml",)}, {"x": 6.0}), Progress())


def test_text_of_a_page_needs_no_music_font():
    svg = '<text font-size="0px"><tspan id="a" class="rend" x="1" y="2" text-anchor="middle"><tspan>– 2 –</tspan>'
    glyphs = '<tspan font-family="Leipzig" font-size="480px">\ueca5 \uecb7</tspan>'
    assert tidied(svg + glyphs, 7) == (
        '<text font-size="0px" x="1" y="2" text-anchor="middle"><tspan id="a" class="rend"><tspan>– 7 –</tspan>'
        '<tspan font-size="270px">♩.</tspan>'
    )


def test_a_job_reaches_the_engraver_as_it_was_given():
    job = Job(Path("/tmp/\udcff é"), "日本", {"score": ("a.musicxml",)}, {"score": 6.0})
    again = Job.from_line(job.to_line())
    assert (again.folder, again.title, list(again.scores["score"]), again.unit) == (
        job.folder,
        job.title,
        ["a.musicxml"],
        job.unit,
    )


def test_low_notes_that_are_more_than_rare_get_a_staff_of_their_own():
    clefs = [
        [it.findtext("sign") for it in read(song([part("melody", notes)], steady(), 16.0)).iter("clef")]
        for notes in (line(*(65,) * 31, 37), line(*(65,) * 30, 37, 41))
    ]
    assert clefs == [["G"], ["G", "F"]]


@pytest.mark.parametrize("name, written", [("melody", {65}), ("vocals", {65, 60})])
def test_doubtful_notes_far_from_the_rest_are_not_on_the_page(name, written):
    doubtful = [Note(15.5, 15.9, 96, 80, 0.2)]
    made = song([part(name, [*line(*(65,) * 30), *doubtful])], steady(), 16.0)
    assert {note.pitch for note in heard(next(read(made).iter("part")))} == written
    certain = song([part(name, [*line(*(65,) * 30), Note(15.5, 15.9, 96, 80, 1.0)])], steady(), 16.0)
    assert {note.pitch for note in heard(next(read(certain).iter("part")))} == {65, 96}


def test_a_song_of_many_bars_is_engraved_in_pieces_that_fit_in_memory(tmp_path):
    sheet = full_score(song([part("vocals", line(*(60,) * 1600))], steady(beats=1600), 800.0), Progress())
    names = score.write_pieces(sheet, "score", tmp_path, Progress())
    bars = [len(list(ET.parse(tmp_path / name).iter("measure"))) for name in names]
    assert bars == [160, 160, 80]


def test_what_is_needed_only_while_at_work_lies_in_the_results_own_scratch(tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    folder = Folder(tmp_path / "out")
    seen = []
    watching = Progress(lambda _: seen.append((list(elsewhere.iterdir()), len(list(folder.scratch.iterdir())))))
    score.write(band(), folder, DeliverOptions(), watching)
    assert all(left == [] for left, _ in seen)
    assert max(inside for _, inside in seen) == 1
    assert list(folder.scratch.iterdir()) == []


def test_a_pdf_holds_no_time_of_writing():
    source = typst_source(["a.svg", "b.svg"])
    assert "date: none" in source
    assert "datetime" not in source
    assert source.count("#image") == 2


def test_the_engraver_ends_with_its_parent(tmp_path):
    (tmp_path / "x.musicxml").write_bytes(musicxml(full_score(band(), Progress()), Progress()))
    job = Job(tmp_path, "x", {"x": ("x.musicxml",) * 500}, {"x": 6.0})  # it would take many seconds
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "bridge.deliver.engrave_child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(score.__file__).parents[2])},
    )
    with child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(job.to_line())
        child.stdin.flush()
        assert child.stdout.readline() == b"page\n"
        child.stdin.close()
        assert child.wait(60) == 1
    assert not (tmp_path / "x.pdf").exists()


def test_chords_of_the_reduction_stay_below_a_note_that_was_played_early():
    voice = [*line(64, 64, 64), Note(1.95, 1.99, 58, 90), *line(64, 64, 64, start=5)]  # written on the bar line
    made = song([part("vocals", voice)], steady(beats=8), 4.0, chords=(Chord(0.0, 4.0, "C", 0.9),))
    upper, lower = piano_reduction(made, Progress()).players[0].staves[0].voices
    assert upper[1][0].pitches == (58,)
    assert max(lower[1][0].pitches) < 58
