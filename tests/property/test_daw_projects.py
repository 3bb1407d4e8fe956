"""Live Sets and DAWprojects of any song: sound, and with every note where its stem has it."""

from __future__ import annotations

import os
import tempfile
from itertools import pairwise
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.deliver import als, dawproject
from bridge.model import BeatGrid, DeliverOptions, MidiOptions, Note
from bridge.music.chords import Chord
from bridge.music.sections import Section
from bridge.music.timeline import SNAP_S
from bridge.progress import Progress
from tests.daw_support import Folder, ReadSet, part, problems, song, stem
from tests.dawproject_format import faults
from tests.property.test_timeline import GRIDS, even_grids

DURATION_S = 60.0
#: None of the sets from which the checker was made has more than one meter, so that it wonders at a second one.
METER_CHANGES = "child EnumEvent x"
#: Anything at all, lone surrogates and control characters too.
TEXT = st.text(st.characters(exclude_categories=()), max_size=12)
#: Names that a folder can have here: any bytes but those that separate.
FOLDER_NAMES = st.binary(min_size=1, max_size=60).map(
    lambda data: os.fsdecode(data.replace(b"/", b"_").replace(b"\0", b"_"))
).filter(lambda name: name not in (".", ".."))  # fmt: skip


@st.composite
def notes(draw: st.DrawFn) -> Note:
    onset_s = draw(st.floats(0.0, DURATION_S))
    bend = draw(st.lists(st.tuples(st.floats(0.0, 3.0), st.floats(-30.0, 30.0)), max_size=4))
    offset_s = onset_s + draw(st.floats(1e-6, 5.0))
    return Note(onset_s, offset_s, draw(st.integers(58, 61)), draw(st.integers(1, 127)), bend=tuple(sorted(bend)))


@st.composite
def wild_grids(draw: st.DrawFn) -> BeatGrid:
    """Beats as close and as far apart as they like."""
    gaps = draw(st.lists(st.floats(0.005, 20.0), max_size=12))
    beats = [draw(st.floats(0.0, 10.0))]
    for gap in gaps:
        beats.append(beats[-1] + gap)
    downbeats = draw(st.lists(st.sampled_from(beats), unique=True).map(sorted))
    signature = draw(st.sampled_from([(4, 4), (3, 4), (6, 8), (7, 8), (5, 4), (2, 2), (12, 8)]))
    return BeatGrid(draw(st.floats(15.0, 1200.0)), tuple(beats), tuple(downbeats), signature, is_constant=False)


@st.composite
def songs(draw: st.DrawFn, grids: st.SearchStrategy[BeatGrid], audio: Path, *, named: bool = True):
    family = draw(st.sampled_from(["bass", "drums", "vocals"]))
    count = draw(st.integers(0, 4))
    names = draw(st.lists(TEXT if named else st.just("melody"), min_size=count, max_size=count))
    parts = [
        part(
            name if index else family,
            draw(st.lists(notes(), max_size=8)),
            audio=audio if draw(st.booleans()) else None,
            parent=family if index and draw(st.booleans()) else None,
            color=draw(st.integers(0, 0xFFFFFF)),
        )
        for index, name in enumerate([family, *names])
    ]
    changes = sorted(draw(st.lists(st.floats(0.0, DURATION_S), max_size=5, unique=True)))
    spans = list(pairwise(changes))
    return song(
        parts,
        draw(grids),
        draw(st.floats(0.01, DURATION_S)),
        name=draw(FOLDER_NAMES),
        chords=tuple(Chord(start, end, draw(TEXT), 1.0) for start, end in spans),
        sections=tuple(Section(start, end, draw(TEXT)) for start, end in spans),
        key=draw(st.sampled_from([None, "A minor", "Gb major", "C# minor"])),
        midi=MidiOptions(pitch_bend=draw(st.booleans())),
    )


def live_set(made, folder: Path) -> tuple[Path, ReadSet]:
    als.write(made, Folder(folder), DeliverOptions(), Progress())
    (path,) = folder.glob("*/*.als")
    return path, ReadSet(path.read_bytes())


@settings(max_examples=12)
@given(st.data())
def test_any_song_gives_a_set_like_those_that_live_saves(data: st.DataObject):
    with tempfile.TemporaryDirectory() as scratch:
        audio = stem(Path(scratch) / "stem.wav")
        path, _ = live_set(data.draw(songs(st.one_of(GRIDS, wild_grids()), audio)), Path(scratch) / "out")
        assert [problem for problem in problems(path) if METER_CHANGES not in problem] == []


@settings(max_examples=15)
@given(st.data())
def test_any_song_gives_a_dawproject_of_the_published_format(data: st.DataObject):
    with tempfile.TemporaryDirectory() as scratch:
        audio = stem(Path(scratch) / "stem.wav")
        made = data.draw(songs(st.one_of(GRIDS, wild_grids()), audio))
        dawproject.write(made, Folder(Path(scratch)), DeliverOptions(), Progress())
        (path,) = Path(scratch).glob("*.dawproject")
        assert faults(path) == []


@settings(max_examples=20)
@given(st.one_of(GRIDS, wild_grids()), st.lists(notes(), min_size=1, max_size=10))
def test_every_note_plays_when_its_stem_does(grid: BeatGrid, found: list[Note]):
    with tempfile.TemporaryDirectory() as scratch:
        made = song([part("melody", found, audio=stem(Path(scratch) / "stem.wav"))], grid, DURATION_S)
        _, read = live_set(made, Path(scratch) / "out")
    audio_s = read.seconds(float(read.clip("melody stem").get("Time")))
    played = [(read.seconds(beat) - audio_s, pitch) for beat, _, pitch, _ in read.notes("melody")]
    slowest_tick_s = 60 / min(bpm for _, bpm in read.tempo_steps()) / 480
    for note in found:
        assert any(abs(at - note.onset_s) <= slowest_tick_s + 1e-6 and pitch == note.pitch for at, pitch in played)


@settings(max_examples=25)
@given(GRIDS)
def test_every_beat_of_the_stem_is_on_a_beat_of_the_set_and_every_downbeat_on_a_bar_line(grid: BeatGrid):
    with tempfile.TemporaryDirectory() as scratch:
        length_s = grid.beats_s[-1] + 1.0
        made = song([part("melody", audio=stem(Path(scratch) / "stem.wav", 0.1))], grid, length_s)
        _, read = live_set(made, Path(scratch) / "out")
    start = float(read.clip("melody stem").get("Time"))
    # Where Live has the beats of the stem, which plays unwarped from its start; and the other way round, below.
    heard = [read.beat_at(read.seconds(start) + beat_s) for beat_s in grid.beats_s]
    counted = [round(beat) for beat in heard]
    assert counted == list(range(counted[0], counted[0] + len(counted)))
    for beat, beat_s in zip(counted, grid.beats_s, strict=True):
        assert abs(read.seconds(beat) - read.seconds(start) - beat_s) <= SNAP_S + 0.001
    lines = read.bar_lines(heard[-1] + 20)
    downbeats = [beat for beat, beat_s in zip(counted, grid.beats_s, strict=True) if beat_s in set(grid.downbeats_s)]
    assert all(min(abs(line - beat) for line in lines) < 1e-6 for beat in downbeats)


@settings(max_examples=15)
@given(even_grids())
def test_a_song_of_one_tempo_gives_a_set_of_one_tempo(grid: BeatGrid):
    with tempfile.TemporaryDirectory() as scratch:
        _, read = live_set(song([part("melody")], grid, grid.beats_s[-1]), Path(scratch))
    assert len(read.tempo_points) == 1
    assert abs(read.tempo - grid.bpm) < 0.01
