"""The device's script in a model of Live against the real daemon over real UDP: from a selected clip to new tracks."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from tests.integration.daemon_support import DaemonProcess, bass_line
from tests.integration.live_support import NODE, SOURCES, Live
from tests.integration.osc_support import message
from tools.device.script import bundle as bundled

pytestmark = [
    pytest.mark.skipif(NODE is None, reason="Node.js is not installed"),
    pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to send"),
]

RATE = 22050
SHORT_S = 4.0
#: 126 BPM, from beat 1 on: a file of four seconds has 8.4 beats. The last one is hidden.
WARP = [[0.0, 1.0], [2.0, 5.2], [4.0, 9.4], [4.015625, 9.4328125]]


@pytest.fixture(scope="session")
def bundle(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("device") / "stembridge_device.js"
    path.write_bytes(bundled(SOURCES))
    return path


@pytest.fixture
def start(home, tmp_path) -> Iterator[Callable[..., DaemonProcess]]:
    """Starts daemons with one home."""
    begun = []

    def begin(port: int = 0) -> DaemonProcess:
        begun.append(DaemonProcess(home, "--osc-port", str(port), "--out", tmp_path / "out"))
        return begun[-1]

    yield begin
    for daemon in begun:
        daemon.kill()


def link_to(daemon: DaemonProcess) -> dict[str, Any]:
    """What `stembridge device install` leaves beside the device."""
    return {"secret": daemon.secret, "port": daemon.port}


def clip_of(source: Path, seconds: float = SHORT_S, **facts: Any) -> dict[str, Any]:
    """A clip as the model has it: warped, cropped, looped and transposed."""
    cropped = {"markers": [2.0, 8.0], "loop": [2.0, 6.0], "looping": 1, "pitch_coarse": 3, "name": source.stem}
    return {"path": str(source), "seconds": seconds, "rate": RATE, "warp": WARP, **cropped, **facts}


def eighths(path: Path, seconds: float, rate: int = RATE) -> Path:
    """Write a file of so many seconds, an even number, with eight notes in each, alternately of two pitches."""
    import numpy as np
    import soundfile

    time_s = np.arange(2 * rate) / rate
    hz = np.where(np.floor(time_s * 8) % 2 == 0, 110.0, 165.0)
    phase = 2 * np.pi * np.cumsum(hz) / rate
    since_s = time_s % 0.125
    tone = sum(np.sin(number * phase) / number for number in (1, 2, 3)) * np.exp(-since_s * 5)
    two_seconds = 0.2 * tone * np.minimum(1, since_s / 0.005)
    soundfile.write(path, np.tile(two_seconds.astype(np.float32), round(seconds / 2)), rate, subtype="PCM_16")
    return path


def inserted(tmp_path: Path) -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]:
    """The daemon's insert.json, and the notes of each part."""
    (path,) = (tmp_path / "out").glob("*/live/insert.json")
    content = json.loads(path.read_text("ascii"))
    notes = {
        clip["part"]: json.loads((path.parent / f"{clip['part']}.json").read_text("ascii"))["notes"]
        for clip in content["clips"]
        if clip["kind"] == "midi"
    }
    return content, notes


def plain(notes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Notes without what Live adds to them."""
    return [{name: note[name] for name in ("start_time", "pitch", "duration", "velocity")} for note in notes]


def new_tracks(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Those between the source's track and the one after it."""
    names = [track["name"] for track in report["tracks"]]
    assert names[:2] == ["Keys", "Loop track"]
    assert names[-1] == "After"
    found: list[dict[str, Any]] = report["tracks"][2:-1]
    return found


def test_a_warped_cropped_looped_transposed_clip_becomes_the_clip_that_insert_json_describes(bundle, start, tmp_path):
    folder = tmp_path / ("Ärger 音 50% #1 " + "long " * 20 + "end") / ("and longer " * 8 + "end")
    folder.mkdir(parents=True)
    source = bass_line(folder / "Ünï çödé.wav", SHORT_S)
    assert len(str(source)) > 200
    daemon = start()
    with Live(bundle, tmp_path / "live", clip=clip_of(source), link=link_to(daemon), version="12.1.10") as live:
        live.do("choose", "recording", "bass")
        live.wait("Ready")
        status = live.convert()
        report = live.report
        live.do("undo")
        assert new_tracks(live.report) == []
    content, notes = inserted(tmp_path)
    (wanted,) = content["clips"]
    (track,) = new_tracks(report)
    made = track["slots"][2]
    assert wanted["scene"] == 2
    assert track["name"] == made["name"] == wanted["name"] == "Ünï çödé bass"
    assert plain(made["notes"]) == notes["bass"]
    assert len(made["notes"]) >= 3
    assert made["markers"] == [wanted["start_marker"], wanted["end_marker"]] == [2.0, 8.0]
    assert made["loop"] == [wanted["loop_start"], wanted["loop_end"]] == [2.0, 6.0]
    assert all(note["start_time"] < 6.0 for note in made["notes"])
    assert {note["pitch"] for note in made["notes"]} <= {33 + 3, 38 + 3}
    assert status == f"Done: 1 clip, {len(made['notes'])} notes. Undo removes them, in one step or more."
    assert report["undo"] == 1


def test_through_a_network_that_loses_a_fifth_an_arrangement_clip_and_its_stem_arrive(bundle, start, tmp_path):
    source = bass_line(tmp_path / "line.wav", SHORT_S, 44100)
    daemon = start()
    options = {
        "clip": {**clip_of(source), "rate": 44100, "signature_numerator": 6, "signature_denominator": 8},
        "arrangement": [32.0, 10.0],
        "network": {"rate": 0.2, "seed": 5},
    }
    with Live(bundle, tmp_path / "live", link=link_to(daemon), **options) as live:
        live.do("choose", "recording", "bass")
        live.do("choose", "stems", 1)
        live.wait("Ready")
        live.convert()
        report = live.report
    content, notes = inserted(tmp_path)
    wanted, stem = content["clips"]
    midi, audio = new_tracks(report)
    (clip,) = midi["clips"]
    assert plain(clip["notes"]) == notes["bass"]
    assert [clip["start_time"], clip["end_time"]] == [32.0, 42.0]
    assert clip["signature"] == wanted["signature"] == [6, 8]
    assert clip["loop"] == [wanted["loop_start"], wanted["loop_end"]] == [0.0, 4.0]
    pieces = audio["clips"]
    assert [piece["path"] for piece in pieces] == [unquote(stem["path"])] * 3
    assert [[piece["start_time"], piece["end_time"]] for piece in pieces] == [[32, 36], [36, 40], [40, 42]]
    for second, beat in stem["warp_markers"]:
        assert [second, beat] in [[pytest.approx(s), pytest.approx(b)] for s, b in pieces[0]["warp"]]
    assert all(piece["pitch_coarse"] == 3 for piece in pieces)


@pytest.mark.slow
@pytest.mark.parametrize("version", ["11.3.0", "12.0.0", "12.1.5", "12.2.0", "12.3.0"])
def test_each_version_of_live_gets_what_insert_json_describes(bundle, start, tmp_path, version):
    source = bass_line(tmp_path / "line.wav", SHORT_S)
    daemon = start()
    options = {"clip": clip_of(source), "arrangement": [16.0, 6.0], "version": version}
    with Live(bundle, tmp_path / "live", link=link_to(daemon), **options) as live:
        live.do("choose", "recording", "bass")
        live.wait("Ready")
        live.convert()
        (track,) = new_tracks(live.report)
    _, notes = inserted(tmp_path)
    assert plain(track["clips"][0]["notes"]) == notes["bass"]
    assert not any(track["slots"])


@pytest.mark.slow
def test_a_song_becomes_a_track_for_each_part(bundle, start, song, tmp_path):
    daemon = start()
    clip = {"path": str(song), "seconds": 4.0, "rate": 44100, "warp": [[0, 0], [2, 4], [2.1, 4.2]], "loop": [0, 8]}
    options = {"clip": {**clip, "markers": [0, 8]}, "faults": {"slowTrackMs": 1000}}
    with Live(bundle, tmp_path / "live", link=link_to(daemon), **options) as live:
        live.do("choose", "stems", 1)
        live.do("choose", "components", 1)
        live.wait("Ready")
        live.convert()
        report = live.report
    content, notes = inserted(tmp_path)
    made = {(track["slots"][2]["name"], track["type"]): track["slots"][2] for track in new_tracks(report)}
    assert len(made) == len(content["clips"]) > 8
    for wanted in content["clips"]:
        clip = made[wanted["name"], wanted["kind"]]
        if wanted["kind"] == "midi":
            assert plain(clip["notes"]) == notes[wanted["part"]]
        else:
            assert clip["path"] == unquote(wanted["path"])
    assert report["undo"] == 1


@pytest.mark.slow
def test_a_daemon_that_is_killed_mid_job_and_restarted_ends_the_job(bundle, start, tmp_path):
    source = bass_line(tmp_path / "line.wav", 60.0)
    daemon = start()
    clip = clip_of(source, 60.0, warp=[[0, 0], [60, 120], [60.1, 120.2]], loop=[0, 120], markers=[0, 120])
    with Live(bundle, tmp_path / "live", clip=clip, link=link_to(daemon)) as live:
        live.do("choose", "recording", "bass")
        live.wait("Ready")
        live.do("convert")
        live.wait("Converting")
        daemon.kill()
        live.wait("Converter stopped: waiting for it. Run: stembridge serve")
        start(daemon.port)
        assert live.wait("idle").startswith("Done: 1 clip")
        (track,) = new_tracks(live.report)
    _, notes = inserted(tmp_path)
    assert plain(track["slots"][2]["notes"]) == notes["bass"]


@pytest.mark.slow
def test_where_no_daemon_runs_the_command_is_said_and_what_is_started_then_is_found(bundle, start, tmp_path):
    daemon = start()
    daemon.end()
    with Live(bundle, tmp_path / "live", link=link_to(daemon)) as live:
        assert live.wait("running") == "The converter isn't running. Run: stembridge serve"
        assert live.convert() == "The converter isn't running. Run: stembridge serve"
        start(daemon.port)
        live.wait("Ready")


@pytest.mark.slow
def test_a_daemon_that_is_stopped_is_missed_at_once(bundle, start, tmp_path):
    daemon = start()
    with Live(bundle, tmp_path / "live", link=link_to(daemon)) as live:
        live.wait("Ready")
        daemon.end()
        begin_s = time.monotonic()
        live.wait("The converter isn't running. Run: stembridge serve")
        assert time.monotonic() - begin_s < 5.0  # a pulse takes half a minute to be missed
        start(daemon.port)
        live.wait("Ready")


@pytest.mark.slow
def test_where_another_program_has_its_port_the_device_takes_another(bundle, start, tmp_path):
    daemon = start()
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as other:
        other.bind(("127.0.0.1", 17901))
        with Live(bundle, tmp_path / "live", link=link_to(daemon)) as live:
            live.wait("Ready")


@pytest.mark.slow
def test_a_wrong_secret_is_said(bundle, start, tmp_path):
    daemon = start()
    with Live(bundle, tmp_path / "live", link={**link_to(daemon), "secret": "0" * 64}) as live:
        assert live.wait("install") == "The device's link is out of date. Run: stembridge device install"


@pytest.mark.slow
def test_what_comes_with_a_wrong_token_is_heard_by_neither_side(bundle, start, tmp_path):
    source = bass_line(tmp_path / "line.wav", 20.0)
    daemon = start()
    clip = clip_of(source, 20.0, warp=[[0, 0], [20, 40], [20.1, 40.2]], loop=[0, 40], markers=[0, 40])
    with (
        Live(bundle, tmp_path / "live", clip=clip, link=link_to(daemon)) as live,
        closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as other,
    ):
        live.do("choose", "recording", "bass")
        live.wait("Ready")
        live.do("convert")
        live.wait("Converting")
        for name, *values in (
            ["job/error", "job-1", "internal", "Spoofed"],
            ["job/result", "job-1", "%2Fetc%2Fpasswd", "00000000"],
            ["refuse", "secret", "Spoofed"],
            ["bye"],
        ):
            other.sendto(message(name, "f" * 32, *values), ("127.0.0.1", live.report["port"]))
        other.sendto(message("job/cancel", "f" * 32, "job-1"), ("127.0.0.1", daemon.port))
        assert live.wait("idle").startswith("Done: 1 clip")
        assert not [state for state in live.report["states"] if "Spoofed" in state or "waiting" in state]


@pytest.mark.slow
@pytest.mark.parametrize("gone", ["insert.json$", "bass.json$"])
def test_a_result_that_is_gone_before_it_is_inserted_is_said_and_made_again(bundle, start, tmp_path, gone):
    source = bass_line(tmp_path / "line.wav", SHORT_S)
    daemon = start()
    with Live(bundle, tmp_path / "live", clip=clip_of(source), link=link_to(daemon)) as live:
        live.do("choose", "recording", "bass")
        live.do("delete", gone)
        live.wait("Ready")
        assert live.convert() == "The result's files are gone. Press Convert to make it again."
        assert new_tracks(live.report) == []
        live.do("delete", None)
        assert live.convert().startswith("Done: 1 clip")
        assert len(new_tracks(live.report)) == 1


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_five_thousand_notes_all_arrive(bundle, start, tmp_path):
    seconds = 660.0
    source = eighths(tmp_path / "line.wav", seconds)
    daemon = start()
    warp = [[0, 0], [seconds, 2 * seconds], [seconds + 1, 2 * seconds + 2]]
    clip = clip_of(source, seconds, warp=warp, looping=0, loop=[0, 2 * seconds], markers=[0, 2 * seconds])
    with Live(bundle, tmp_path / "live", clip=clip, link=link_to(daemon)) as live:
        live.do("choose", "recording", "bass")
        live.wait("Ready")
        live.do("convert")
        live.wait("idle", 4)
        (track,) = new_tracks(live.report)
    _, notes = inserted(tmp_path)
    made = track["slots"][2]["notes"]
    assert len(made) > 5000
    assert plain(made) == notes["bass"]


@pytest.mark.slow
def test_a_job_that_is_cancelled_leaves_nothing_in_the_set_and_the_daemon_idle(bundle, start, tmp_path):
    source = bass_line(tmp_path / "line.wav", 60.0)
    daemon = start()
    clip = clip_of(source, 60.0, warp=[[0, 0], [60, 120], [60.1, 120.2]], loop=[0, 120], markers=[0, 120])
    with Live(bundle, tmp_path / "live", clip=clip, link=link_to(daemon)) as live:
        live.do("choose", "recording", "bass")
        live.wait("Ready")
        live.do("convert")
        live.wait("Converting")
        live.do("cancel")
        assert live.wait("idle") == "Cancelled. Nothing was added. Press Convert to start again."
        assert new_tracks(live.report) == []
    assert not list((tmp_path / "out").glob("*/live/insert.json"))


@pytest.mark.slow
def test_if_live_refuses_a_track_those_of_the_job_are_removed_and_the_result_stays(bundle, start, tmp_path):
    source = bass_line(tmp_path / "line.wav", SHORT_S)
    daemon = start()
    with Live(
        bundle, tmp_path / "live", clip=clip_of(source), link=link_to(daemon), faults={"refuseTrackFrom": 1}
    ) as live:
        live.do("choose", "recording", "mix")
        live.wait("Ready")
        assert live.convert() == "Live made no track: none was added. Make room for tracks, convert again."
        assert new_tracks(live.report) == []
    assert len(inserted(tmp_path)[1]) == 2
