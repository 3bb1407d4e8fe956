"""Loops: audio and MIDI of so many bars."""

from __future__ import annotations

import shutil
import threading
from dataclasses import replace
from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile

from bridge.deliver.loops import CRUMB_TICKS, write
from bridge.deliver.song import Song
from bridge.errors import AudioUnreadable, Cancelled, InvalidRequest, OutputUnwritable
from bridge.model import BeatGrid, DeliverOptions, MidiOptions, Note
from bridge.music.expression import ControlPoint
from bridge.progress import Progress
from tests.daw_support import RATE, Folder, part, song, steady, stem

TICK_S = 0.5 / 480
CURVE = (ControlPoint(0.0, 10), ControlPoint(15.0, 20), ControlPoint(17.0, 30), ControlPoint(33.0, 40))


def on(file: Path) -> list[tuple[int, int, int]]:
    """(tick, pitch, velocity) of a file's notes."""
    now, found = 0, []
    for message in mido.MidiFile(file).tracks[0]:
        now += message.time
        if message.type == "note_on" and message.velocity:
            found.append((now, message.note, message.velocity))
    return found


def ends(file: Path) -> list[int]:
    now, found = 0, []
    for message in mido.MidiFile(file).tracks[0]:
        now += message.time
        if message.type == "note_off":
            found.append(now)
    return found


def length(file: Path) -> int:
    return sum(message.time for message in mido.MidiFile(file).tracks[0])


def loops(tmp_path: Path, of: Song, **options) -> Path:
    write(of, Folder(tmp_path), DeliverOptions(**options), Progress())
    return tmp_path / "loops"


def bass(*notes: Note, **more) -> Song:
    return song([part("bass", notes)], steady(beats=72), 36.0, **more)


def test_midi_begins_at_tick_0_in_each_loop_and_lasts_whole_bars(tmp_path: Path) -> None:
    folder = loops(tmp_path, bass(Note(1.0, 1.5, 40, 90), Note(16.0, 16.5, 41, 80), Note(32.5, 33.0, 42, 70)))
    assert sorted(path.name for path in folder.iterdir()) == ["bars-001-008", "bars-009-016", "bars-017-018"]
    assert on(folder / "bars-001-008/bass.mid") == [(960, 40, 90)]
    assert on(folder / "bars-009-016/bass.mid") == [(0, 41, 80)]
    assert on(folder / "bars-017-018/bass.mid") == [(480, 42, 70)]
    assert [length(folder / name / "bass.mid") for name in ("bars-001-008", "bars-017-018")] == [32 * 480, 8 * 480]


def test_a_note_across_a_border_is_cut_there_and_goes_on(tmp_path: Path) -> None:
    folder = loops(tmp_path, bass(Note(15.0, 17.0, 40, 90)))
    assert on(folder / "bars-001-008/bass.mid") == [(30 * 480, 40, 90)]
    assert ends(folder / "bars-001-008/bass.mid") == [32 * 480]
    assert on(folder / "bars-009-016/bass.mid") == [(0, 40, 90)]
    assert ends(folder / "bars-009-016/bass.mid") == [2 * 480]


def test_a_note_across_a_border_stays_whole_where_wanted(tmp_path: Path) -> None:
    folder = loops(tmp_path, bass(Note(15.0, 17.0, 40, 90)), split_notes=False)
    assert ends(folder / "bars-001-008/bass.mid") == [34 * 480]
    assert on(folder / "bars-009-016/bass.mid") == []


@pytest.mark.parametrize("split_notes", [True, False])
def test_a_note_played_a_little_early_belongs_to_the_bar_that_it_was_meant_for(
    tmp_path: Path, split_notes: bool
) -> None:
    early = 16.0 - CRUMB_TICKS * TICK_S
    folder = loops(tmp_path, bass(Note(early, 16.5, 40, 90)), split_notes=split_notes)
    assert on(folder / "bars-001-008/bass.mid") == []
    assert on(folder / "bars-009-016/bass.mid") == [(0, 40, 90)]


@pytest.mark.parametrize("split_notes", [True, False])
def test_a_note_that_ends_a_little_late_leaves_no_crumb(tmp_path: Path, split_notes: bool) -> None:
    folder = loops(tmp_path, bass(Note(15.0, 16.0 + CRUMB_TICKS * TICK_S, 40, 90)), split_notes=split_notes)
    assert ends(folder / "bars-001-008/bass.mid") == [32 * 480]
    assert length(folder / "bars-001-008/bass.mid") == 32 * 480
    assert on(folder / "bars-009-016/bass.mid") == []


def test_a_note_over_many_loops_sounds_in_each(tmp_path: Path) -> None:
    folder = loops(tmp_path, bass(Note(0.0, 36.0, 40, 90)), loop_bars=4)
    files = sorted(folder.glob("*/bass.mid"))
    assert len(files) == 5
    assert all(on(file) == [(0, 40, 90)] for file in files)


def test_a_note_beyond_the_last_bar_line_is_not_lost(tmp_path: Path) -> None:
    folder = loops(tmp_path, bass(Note(36.0, 36.5, 40, 90)))
    assert on(folder / "bars-017-018/bass.mid") == [(8 * 480, 40, 90)]


def test_the_contour_of_a_cut_note_goes_on_where_it_was(tmp_path: Path) -> None:
    slide = Note(15.0, 17.0, 40, 90, bend=((0.0, 0.0), (0.9, 1.0), (1.5, 2.0)))
    folder = loops(tmp_path, bass(slide, midi=MidiOptions(pitch_bend=True)))
    file = mido.MidiFile(folder / "bars-009-016/bass.mid")
    wheel = [message.pitch for message in file.tracks[0] if message.type == "pitchwheel"]
    assert wheel == [4096, 8191, 0]


def test_each_loop_has_the_tempo_of_its_own_bars(tmp_path: Path) -> None:
    beats = (*(index * 0.5 for index in range(32)), *(16.0 + index * 0.75 for index in range(32)))
    grid = BeatGrid(100.0, beats, beats[::4], is_constant=False)
    folder = loops(tmp_path, song([part("bass", [Note(16.75, 17.0, 40, 90)])], grid, 40.0))
    tempos = [
        [
            message.tempo
            for message in mido.MidiFile(folder / name / "bass.mid").tracks[0]
            if message.type == "set_tempo"
        ]
        for name in ("bars-001-008", "bars-009-016")
    ]
    assert tempos == [[500_000], [750_000]]
    assert on(folder / "bars-009-016/bass.mid") == [(480, 40, 90)]


@pytest.mark.parametrize("subtype, numbers", [("PCM_24", "int32"), ("FLOAT", "float32"), ("PCM_16", "int16")])
@pytest.mark.parametrize("channels", [1, 2])
def test_joined_loops_are_the_stem_bit_for_bit(tmp_path: Path, subtype: str, numbers: str, channels: int) -> None:
    samples = np.random.default_rng(1).uniform(-1, 1, (round(35.7 * RATE) + 3, channels))
    stem = tmp_path / "bass.wav"
    soundfile.write(stem, samples, RATE, subtype=subtype)
    of = song([part("bass", audio=stem)], steady(117.3, 0.21, 70, downbeat=1), len(samples) / RATE)
    folder = loops(tmp_path, of, loop_bars=4)
    files = sorted(folder.glob("*/bass.wav"))
    assert len(files) == 6
    assert files[0].parent.name == "bars-000-000"
    assert {soundfile.info(str(file)).subtype for file in files} == {subtype}
    joined = np.concatenate([soundfile.read(file, dtype=numbers, always_2d=True)[0] for file in files])
    assert np.array_equal(joined, soundfile.read(stem, dtype=numbers, always_2d=True)[0])


def test_loops_are_cut_at_the_sample_nearest_to_the_bar_line(tmp_path: Path) -> None:
    stem = tmp_path / "bass.wav"
    soundfile.write(stem, np.zeros(20 * RATE), RATE, subtype="PCM_24")
    of = song([part("bass", audio=stem)], steady(117.0, beats=38), 20.0)
    folder = loops(tmp_path, of, loop_bars=1)
    frames = [soundfile.info(str(file)).frames for file in sorted(folder.glob("*/bass.wav"))]
    starts = np.cumsum([0, *frames])[:-1].tolist()
    assert starts == [round(bar.start_s * RATE) for bar in of.timeline.bars()]
    assert starts[9] == pytest.approx(9 * 4 * 60 / 117 * RATE, abs=1e-3 * RATE)


def test_loops_of_a_float_stem_hold_no_time_of_writing(tmp_path: Path) -> None:
    stem = tmp_path / "bass.wav"
    soundfile.write(stem, np.zeros(4 * RATE, np.float32), RATE, subtype="FLOAT")
    data = (
        loops(tmp_path, song([part("bass", audio=stem)], steady(beats=8), 4.0)) / "bars-001-002/bass.wav"
    ).read_bytes()
    stamp = data.index(b"PEAK") + 12
    assert data[stamp : stamp + 4] == bytes(4)


def test_each_loop_has_the_expression_of_its_own_bars(tmp_path: Path) -> None:
    loud = replace(part("bass", [Note(15.0, 15.5, 40, 90)]), expression=CURVE)
    folder = loops(tmp_path, song([loud], steady(beats=72), 36.0, midi=MidiOptions(expression=True)))
    found = []
    for name in ("bars-001-008", "bars-009-016", "bars-017-018"):
        now, points = 0, []
        for message in mido.MidiFile(folder / name / "bass.mid").tracks[0]:
            now += message.time
            if message.type == "control_change" and message.control == 11:
                points.append((now, message.value))
        found.append(points)
    assert found == [[(0, 10), (30 * 480, 20)], [(0, 20), (2 * 480, 30)], [(0, 30), (2 * 480, 40)]]


def test_a_disk_without_room_is_said_before_anything_is_written(tmp_path: Path, monkeypatch) -> None:
    audio = stem(tmp_path / "bass.wav", 36.0)
    free = shutil.disk_usage(tmp_path)._replace(free=audio.stat().st_size)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: free)
    with pytest.raises(OutputUnwritable, match=r"^loops need \d+ MB and the disk has \d+ MB left; free some space$"):
        loops(tmp_path, song([part("bass", audio=audio)], steady(beats=72), 36.0))
    assert [path for path in (tmp_path / "loops").rglob("*") if path.is_file()] == []


def test_a_stem_that_is_gone_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="convert the recording again"):
        loops(tmp_path, song([part("bass", audio=tmp_path / "gone.wav")]))


def test_a_stem_that_is_no_audio_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "bass.wav").write_bytes(b"text")
    with pytest.raises(AudioUnreadable, match=r"bass\.wav cannot be read"):
        loops(tmp_path, song([part("bass", audio=tmp_path / "bass.wav")]))


def test_loops_can_be_cancelled(tmp_path: Path) -> None:
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(Cancelled):
        write(bass(), Folder(tmp_path), DeliverOptions(), Progress(cancelled=cancelled))


def test_midi_of_the_last_loop_ends_with_the_audio_and_has_the_songs_key(tmp_path: Path) -> None:
    of = song([part("bass", [Note(16.0, 16.5, 41, 80)])], steady(beats=35), 17.3, key="E minor")
    folder = loops(tmp_path, of)
    assert length(folder / "bars-001-008/bass.mid") == 32 * 480
    assert length(folder / "bars-009-009/bass.mid") == round(1.3 / TICK_S)
    for file in folder.glob("*/bass.mid"):
        kinds = {message.type: message for message in mido.MidiFile(file).tracks[0]}
        assert kinds["key_signature"].key == "Em"
        assert "marker" not in kinds
