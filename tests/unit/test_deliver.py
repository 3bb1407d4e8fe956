"""Deliveries into a result that exists: only what was asked for changes, and all of it at once."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import mido
import pytest

from bridge.deliver import kinds as table
from bridge.deliver.kinds import KINDS, Kind
from bridge.deliver.make import make
from bridge.deliver.song import read_song
from bridge.deliver.update import deliver
from bridge.errors import Cancelled, EngineFailed, InvalidRequest, OutputUnwritable
from bridge.model import DeliverOptions, MidiOptions, Note
from bridge.names import DELIVERIES, deliveries_named
from bridge.progress import Progress, Report
from bridge.write import manifest as manifests
from bridge.write.files import ResultFolder
from tests.deliver_support import NOTES, content, make_result

LOOPS = DeliverOptions(("loops",))
BARS = ("bars-001-008", "bars-009-009")


@pytest.fixture
def result(tmp_path: Path) -> Path:
    return make_result(tmp_path / "song")


@pytest.fixture
def make_kind(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts a kind of delivery of the test's own in place of the overview."""

    def put(write: Callable[..., None]) -> None:
        module = ModuleType("tests_own_kind")
        module.write = write
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setattr(table, "KINDS", {**KINDS, "overview": Kind("a test's", module.__name__)})

    return put


def tree(folder: Path) -> dict[str, bytes]:
    return {path: data for path, data in content(folder).items() if path != manifests.NAME}


def onsets(file: Path) -> list[int]:
    now, found = 0, []
    for message in mido.MidiFile(file).tracks[0]:
        now += message.time
        found += [now] if message.type == "note_on" else []
    return found


def at_stage(stage: str, action: Callable[[], None]) -> Progress:
    """A progress that does something once, when a stage begins."""
    waiting = [action]

    def listen(report: Report) -> None:
        if report.stage == stage and waiting:
            waiting.pop()()

    return Progress(listen)


def test_the_table_of_kinds_has_every_name_in_the_order_in_which_they_are_made() -> None:
    assert tuple(KINDS) == DELIVERIES


@pytest.mark.parametrize(
    "names, kinds",
    [
        (["loops", "als", "loops"], ("als", "loops")),
        (["all"], DELIVERIES),
        (["none"], ()),
        ([], ()),
        (["none", "score"], ("score",)),
    ],
)
def test_a_list_of_kinds_is_in_the_order_in_which_they_are_made(names: list[str], kinds: tuple[str, ...]) -> None:
    assert deliveries_named(names) == kinds


def test_a_kind_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(ValueError, match=r"'mp3'.*als, .*loops.*none"):
        deliveries_named(["als", "mp3"])


def test_a_delivery_adds_files_and_leaves_the_others(result: Path) -> None:
    before = tree(result)
    delivered = deliver(result, LOOPS, None, Progress())
    names = [*NOTES, *(part.name for part in delivered.manifest.parts if part.parent)]
    loops = {f"loops/{bars}/{name}.mid" for bars in BARS for name in names}
    loops |= {f"loops/{bars}/{name}.wav" for bars in BARS for name in NOTES}
    after = tree(result)
    assert set(after) == set(before) | loops
    assert {path: after[path] for path in before} == before
    assert os.listdir(result.parent) == ["song"]  # noqa: PTH208
    manifest = manifests.read(result)
    assert manifest == delivered.manifest
    assert {file.path: file.bytes for file in manifest.files} == {path: len(data) for path, data in after.items()}
    assert {file.path for file in manifest.files if file.kind == "loops"} == loops
    assert set(manifest.timings_s) == {"total", "deliver loops"}
    assert manifest.warnings == ("be careful",)


def test_a_delivery_replaces_that_of_the_same_kind_and_no_other(result: Path) -> None:
    deliver(result, DeliverOptions(("loops", "als")), None, Progress())
    before = tree(result)
    deliver(result, DeliverOptions(("loops",), loop_bars=4), None, Progress())
    after = tree(result)
    assert {path.split("/")[1] for path in after if path.startswith("loops/")} == {
        "bars-001-004",
        "bars-005-008",
        "bars-009-009",
    }
    assert {path: data for path, data in after.items() if not path.startswith("loops/")} == {
        path: data for path, data in before.items() if not path.startswith("loops/")
    }


def test_the_users_own_files_stay(result: Path) -> None:
    deliver(result, LOOPS, None, Progress())
    (result / "loops/mine.wav").write_bytes(b"mine")
    changed = result / "loops/bars-001-008/bass.mid"
    changed.write_bytes(b"mine too")
    edited = result / "midi/bass.mid"
    edited.write_bytes(b"edited")
    (result / "empty").mkdir()
    deliver(result, LOOPS, None, Progress())
    after = tree(result)
    assert after["loops/mine.wav"] == b"mine"
    assert after["kept/loops/bars-001-008/bass.mid"] == b"mine too"
    assert after["loops/bars-001-008/bass.mid"].startswith(b"MThd")
    assert after["midi/bass.mid"] == b"edited"
    assert (result / "empty").is_dir()
    listed = {file.path for file in manifests.read(result).files}
    assert not {"midi/bass.mid", "loops/mine.wav", "kept/loops/bars-001-008/bass.mid"} & listed
    deliver(result, LOOPS, MidiOptions(), Progress())  # and they are the user's for ever
    assert tree(result)["kept/midi/bass.mid"] == b"edited"


def test_a_live_project_in_which_the_user_saved_a_set_stays_whole_and_the_new_one_goes_beside_it(result: Path) -> None:
    als = DeliverOptions(("als",))
    deliver(result, als, None, Progress())
    project = result / "song Project"
    saved = project / "song.als"
    saved.write_bytes(saved.read_bytes() + b"mine")
    before = content(project)
    assert any(path.startswith("Samples/") for path in before)
    delivered = deliver(result, replace(als, audio_tracks=False), MidiOptions(transpose=5), Progress())
    assert content(project) == before
    assert delivered.remarks == (
        "the Live project in which you saved a set stays as it is; the new set is song (2) Project/song (2).als",
    )
    assert not (result / "kept").exists()
    listed = {file.path for file in delivered.manifest.files if file.kind == "als"}
    assert "song (2) Project/song (2).als" in listed
    assert not any(path.startswith("song Project/") for path in listed)
    again = deliver(result, als, None, Progress())
    assert {path.name for path in result.glob("* Project")} == {"song Project", "song (2) Project"}
    (result / "song (2) Project/take 2.als").write_bytes(b"saved under another name")
    deliver(result, als, None, Progress())
    assert (result / "song (3) Project/song (3).als").is_file()
    assert (result / "song (2) Project/song (2).als").is_file()
    make_result(result)  # as a conversion does
    assert content(project) == before
    assert len(again.remarks) == 1


def test_what_made_room_for_new_files_is_said(result: Path) -> None:
    deliver(result, LOOPS, None, Progress())
    names = ("bass.mid", "bass.wav", "drums.mid", "drums.wav")
    for name in names:
        (result / "loops/bars-001-008" / name).write_bytes(b"mine")
    (remark,) = deliver(result, LOOPS, None, Progress()).remarks
    assert remark == (
        "files that you added or changed made room for new ones: "
        "kept/loops/bars-001-008/bass.mid, kept/loops/bars-001-008/bass.wav, kept/loops/bars-001-008/drums.mid "
        "and 1 more"
    )


def test_with_other_midi_every_delivery_there_is_follows(result: Path) -> None:
    deliver(result, DeliverOptions(("als", "loops")), None, Progress())
    before = tree(result)
    delivered = deliver(result, DeliverOptions(("dawproject",)), MidiOptions(transpose=5), Progress())
    after = tree(result)
    assert after["song Project/song.als"] != before["song Project/song.als"]
    assert after["loops/bars-001-008/bass.mid"] != before["loops/bars-001-008/bass.mid"]
    assert "song.dawproject" in after
    assert delivered.manifest.deliver.kinds == ("als", "dawproject", "loops")


def test_an_overview_follows_what_it_plays_and_links(result: Path, make_kind: Callable[..., None]) -> None:
    pages = iter([b"old", b"new"])
    make_kind(lambda song, out, options, progress: out.write_bytes("overview.html", next(pages)))
    deliver(result, DeliverOptions(("overview",)), None, Progress())
    deliver(result, DeliverOptions(()), None, Progress())
    assert (result / "overview.html").read_bytes() == b"old"
    deliver(result, LOOPS, None, Progress())
    assert (result / "overview.html").read_bytes() == b"new"


def test_a_copy_of_a_result_is_still_ours_but_for_what_changed(result: Path) -> None:
    deliver(result, LOOPS, None, Progress())
    copy = result.parent / "copy"
    shutil.copytree(result, copy, copy_function=shutil.copyfile)
    later_ns = (copy / manifests.NAME).stat().st_mtime_ns + 10**9
    for path in copy.rglob("*"):
        os.utime(path, ns=(later_ns, later_ns))
    os.utime(copy / manifests.NAME, ns=(0, 0))
    edited = copy / "midi/bass.mid"
    edited.write_bytes(bytes(edited.stat().st_size))
    listed = {file.path for file in manifests.read(copy).files}
    after = deliver(copy, replace(LOOPS, loop_bars=4), None, Progress()).manifest
    assert {path for path in listed if path[:5] != "loops"} - {file.path for file in after.files} == {"midi/bass.mid"}
    assert not (copy / "kept").exists()
    assert not (copy / "loops/bars-001-008").exists()


def test_a_library_that_swallows_the_interruption_of_the_last_kind_is_no_failure_of_it(
    result: Path, make_kind: Callable[..., None]
) -> None:
    cancelled = threading.Event()

    def swallow(song, out, options, progress) -> None:
        cancelled.set()
        raise RuntimeError("callback failed")

    make_kind(swallow)
    with pytest.raises(Cancelled), ResultFolder(result.parent / "other") as folder:
        make(read_song(result), folder, DeliverOptions(("overview",)), Progress(cancelled=cancelled))


def test_midi_is_made_anew_from_the_notes_as_detected(result: Path) -> None:
    before = tree(result)
    options = MidiOptions(Fraction(1, 8), transpose=2)
    deliver(result, DeliverOptions(("loops",)), options, Progress())
    after = tree(result)
    assert {path for path in before if before[path] != after[path]} <= {path for path in before if path[:4] == "midi"}
    assert all(tick % 240 == 0 for tick in onsets(result / "midi/bass.mid"))
    assert all(tick % 240 == 0 for tick in onsets(result / "loops/bars-001-008/bass.mid"))
    manifest = manifests.read(result)
    assert manifest.midi == options
    assert read_song(result).parts[0].notes[0].pitch == NOTES["bass"][0].pitch + 2
    deliver(result, DeliverOptions(()), MidiOptions(), Progress())
    assert {path: data for path, data in tree(result).items() if path[:5] != "loops"} == before


def test_key_and_chords_follow_a_transposition(tmp_path: Path) -> None:
    tune = [
        Note(index * 0.5, index * 0.5 + 0.4, pitch, 90)
        for index, pitch in enumerate([60, 64, 67, 65, 69, 67, 71, 72] * 4)
    ]
    folder = make_result(tmp_path / "song", {"melody": tune})
    before = manifests.read(folder)
    deliver(folder, DeliverOptions(()), MidiOptions(transpose=2), Progress())
    after = manifests.read(folder)
    assert (before.key, after.key) == ("C major", "D major")
    assert before.chords[0].symbol.startswith("C")
    assert after.chords[0].symbol.startswith("D")
    assert before.sections == after.sections


def test_a_kind_that_fails_leaves_the_others_and_is_a_warning(result: Path, make_kind: Callable[..., None]) -> None:
    def fail(song, out, options, progress) -> None:
        out.write_bytes("pages/half.html", b"<html>")
        raise EngineFailed("no ink\nleft")

    make_kind(fail)
    delivered = deliver(result, DeliverOptions(("loops", "overview")), None, Progress())
    assert [failure.kind for failure in delivered.failures] == ["overview"]
    assert "loops/bars-001-008/bass.wav" in tree(result)
    assert not (result / "pages").exists()
    assert manifests.read(result).warnings == ("be careful", "overview could not be delivered: no ink left")

    make_kind(lambda song, out, options, progress: out.write_bytes("overview.html", b"<html>"))
    deliver(result, DeliverOptions(("overview",)), None, Progress())
    assert manifests.read(result).warnings == ("be careful",)

    make_kind(fail)
    with pytest.raises(EngineFailed):
        deliver(result, DeliverOptions(("overview",)), None, Progress())
    assert tree(result)["overview.html"] == b"<html>"


def test_an_error_that_nobody_foresaw_spoils_only_its_kind(result: Path, make_kind: Callable[..., None]) -> None:
    make_kind(lambda song, out, options, progress: {}["no such key"])
    delivered = deliver(result, DeliverOptions(("loops", "overview")), None, Progress())
    assert delivered.manifest.warnings[-1] == "overview could not be delivered: KeyError: 'no such key'"


def test_a_name_that_a_manifest_cannot_hold_is_no_delivery(result: Path, make_kind: Callable[..., None]) -> None:
    make_kind(lambda song, out, options, progress: out.write_bytes("a\\b.html", b""))
    deliver(result, DeliverOptions(("loops", "overview")), None, Progress())
    assert "a\\b.html" not in tree(result)
    assert any("forward slashes" in warning for warning in manifests.read(result).warnings)


@pytest.mark.skipif(os.name == "nt", reason="no name on Windows has a backslash")
def test_files_are_called_after_a_folder_whose_name_has_a_backslash(tmp_path: Path) -> None:
    folder = make_result(tmp_path / "a\\b")
    deliver(folder, DeliverOptions(("als",)), None, Progress())
    assert (folder / "a_b Project/a_b.als").is_file()
    assert "a_b Project/a_b.als" in {file.path for file in manifests.read(folder).files}


def test_a_delivery_that_is_cancelled_leaves_the_result_as_it_was(result: Path) -> None:
    before = content(result)
    cancelled = threading.Event()

    def listen(report: Report) -> None:
        if report.fraction > 0.5:
            cancelled.set()

    with pytest.raises(Cancelled):
        deliver(result, LOOPS, None, Progress(listen, cancelled))
    assert content(result) == before
    assert os.listdir(result.parent) == ["song"]  # noqa: PTH208


@pytest.mark.parametrize("stage", ["deliver loops", "write"])
def test_a_result_that_another_conversion_replaces_meanwhile_stays_that_ones(result: Path, stage: str) -> None:
    other = {"bass": [Note(0.0, 1.0, 50, 64)]}
    progress = at_stage(stage, lambda: make_result(result, other) and None)
    with pytest.raises(OutputUnwritable, match="changed meanwhile"):
        deliver(result, LOOPS, None, progress)
    assert len(json.loads((result / "notes/bass.json").read_text())["notes"]) == 1
    assert not (result / "loops").exists()
    assert os.listdir(result.parent) == ["song"]  # noqa: PTH208


def test_a_result_that_is_moved_away_meanwhile_is_not_made_again(result: Path) -> None:
    progress = at_stage("write", lambda: result.rename(result.parent / "elsewhere") and None)
    with pytest.raises(OutputUnwritable, match="changed meanwhile"):
        deliver(result, LOOPS, None, progress)
    assert os.listdir(result.parent) == ["elsewhere"]  # noqa: PTH208


@pytest.mark.parametrize("there", [False, True])
def test_a_folder_that_is_no_result_is_refused_and_left_alone(tmp_path: Path, there: bool) -> None:
    if there:
        (tmp_path / "song").mkdir()
        (tmp_path / "song" / "mine").write_bytes(b"mine")
    with pytest.raises(InvalidRequest, match="is not a result"):
        deliver(tmp_path / "song", LOOPS, None, Progress())
    assert tree(tmp_path) == ({"song/mine": b"mine"} if there else {})


def test_a_result_of_an_older_version_can_be_delivered(result: Path) -> None:
    manifest = json.loads((result / manifests.NAME).read_text())
    for field in ("midi", "chords", "sections"):
        del manifest[field]
    for file in manifest["files"]:
        del file["kind"]
    (result / manifests.NAME).write_text(json.dumps(manifest))
    song = read_song(result)
    assert song.midi == MidiOptions()
    assert song.chords
    deliver(result, LOOPS, None, Progress())
    assert [it.symbol for it in manifests.read(result).chords] == [it.symbol for it in song.chords]
    assert (result / "loops/bars-001-008/bass.wav").is_file()


def test_a_song_is_read_as_it_was_written(tmp_path: Path) -> None:
    folder = make_result(tmp_path / "a song", options=MidiOptions(Fraction(1, 16), 0.5, transpose=1))
    song = read_song(folder)
    assert (song.name, song.folder, song.home) == ("a song", folder, folder)
    assert (song.duration_s, song.sample_rate, song.grid.bpm) == (17.0, 8000, 120.0)
    assert [part.name for part in song.parts][:2] == ["bass", "drums"]
    bass, drums, kick = song.parts[:3]
    assert bass.raw_notes == tuple(NOTES["bass"])
    assert bass.notes[0].pitch == 34
    assert bass.notes[0].onset_s == pytest.approx(0.005, abs=0.001)
    assert bass.stem == folder / "stems/bass.wav"
    assert (bass.color, bass.program, bass.parent, bass.confidence) == (0x5480E4, 33, None, 0.5)
    assert (drums.program, kick.parent, kick.stem) == (None, "drums", None)
    assert len(kick.notes) == 17


def test_the_overview_plays_the_previews_that_stay_where_new_ones_fail(result: Path, tmp_path: Path) -> None:
    both = DeliverOptions(("preview", "overview"))
    deliver(result, both, None, Progress())
    before = (result / "preview/bass.wav").read_bytes()
    bad = tmp_path / "bad.sf2"
    bad.write_bytes(b"not one")
    found = deliver(result, replace(both, soundfont=bad), None, Progress())
    assert [failure.kind for failure in found.failures] == ["preview"]
    assert (result / "preview/bass.wav").read_bytes() == before
    assert "preview/bass.wav" in (result / "overview.html").read_text("utf-8")
