"""A real daemon in a process of its own: conversions end to end, and what must hold however it ends."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import soundfile

from bridge.peer import answers
from tests.integration.daemon_support import DaemonProcess, bass_line, clip_request, until
from tests.integration.osc_support import text
from tests.integration.support import RATE as SONG_RATE
from tests.integration.support import song_samples

#: The contract's: SIGTERM ends it in less.
STOP_S = 5.0
BRIEF_S, SHORT_S, LONG_S, ENDLESS_S = 1.3, 2.5, 15.0, 200.0
RATE = 22050
HEAVY = {"av", "basic_pitch", "demucs", "librosa", "mido", "numpy", "onnxruntime", "scipy", "soundfile", "torch"}

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to send")


@pytest.fixture
def start(home, tmp_path) -> Iterator[Callable[..., DaemonProcess]]:
    """Starts daemons with one home, on free ports."""
    begun = []

    def begin(*arguments: str | Path, command: str = "serve") -> DaemonProcess:
        port = ("--osc-port", "0") if command == "serve" else ()
        begun.append(DaemonProcess(home, *port, "--out", tmp_path / "out", *arguments, command=command))
        return begun[-1]

    yield begin
    for daemon in begun:
        daemon.kill()


@pytest.fixture(scope="module")
def short(tmp_path_factory) -> Path:
    return bass_line(tmp_path_factory.mktemp("audio") / "short line.wav", SHORT_S)


@pytest.fixture(scope="module")
def long(tmp_path_factory) -> Path:
    return bass_line(tmp_path_factory.mktemp("audio") / "long line.wav", LONG_S)


@pytest.fixture(scope="module")
def endless(tmp_path_factory) -> Path:
    """What is cancelled long before its end."""
    return bass_line(tmp_path_factory.mktemp("audio") / "endless line.wav", ENDLESS_S)


def rows(daemon: DaemonProcess) -> list[tuple[str, str, int]]:
    """State, result folder and attempts of each job, as they are on disk."""
    with closing(sqlite3.connect(daemon.folder / "jobs.sqlite3")) as database:
        return database.execute("SELECT state, result, attempts FROM jobs").fetchall()


def notes_in(insert: Path) -> list[dict]:
    """All notes that an insert.json names."""
    clips = json.loads(insert.read_text("ascii"))["clips"]
    paths = [Path(text(clip["notes_path"])) for clip in clips if clip.get("notes_path")]
    return [note for path in paths for note in json.loads(path.read_text("ascii"))["notes"]]


def test_a_device_has_a_clip_converted_into_a_folder_whose_path_no_message_could_hold(start, short, tmp_path) -> None:
    out = tmp_path.joinpath(*["音楽" * 35] * 3)
    daemon = start("--out", out)
    with daemon.device() as device:
        device.request("job-1", **clip_request(short, SHORT_S, RATE))
        device.expect("job/accepted")
        assert device.expect("job/progress")[0] == "job-1"
        job, path, crc = device.expect("job/result")
        insert = Path(text(path))
        assert (job, crc) == ("job-1", f"{zlib.crc32(insert.read_bytes()):08x}")
        assert notes_in(insert)
        [made] = out.iterdir()
        assert insert.read_bytes() == (made / "live" / "insert.json").read_bytes()
        device.send("job/resultack", "job-1")
        device.send("ping", device.inst, 1)
        device.expect("pong")
    assert [row[0] for row in rows(daemon)] == ["done"]


def test_sigterm_ends_it_in_time_and_the_job_is_done_after_the_next_start(start, long) -> None:
    daemon = start()
    with daemon.device() as device:
        device.request("job-1", **clip_request(long, LONG_S, RATE))
        device.expect("job/progress")
        code, took_s = daemon.end()
    assert code == 0
    assert took_s < STOP_S
    assert [(row[0], row[2]) for row in rows(daemon)] == [("queued", 0)], "put back, and not counted"
    assert not (daemon.folder / "daemon.json").exists()
    with start().device() as device:
        assert device.expect("job/result")[0] == "job-1", "it is announced to whoever asked, without being asked again"


def test_a_job_cut_off_by_a_kill_ends_exactly_once_after_the_next_start(start, long) -> None:
    daemon = start()
    with daemon.device() as device:
        device.request("job-1", **clip_request(long, LONG_S, RATE))
        device.expect("job/progress")
        daemon.kill()
    with start().device() as device:
        insert = Path(text(device.expect("job/result")[1]))
    [(state, result, attempts)] = rows(daemon)
    assert (state, Path(json.loads(result)), attempts) == ("done", insert.parents[1], 2)
    assert [path.name for path in insert.parents[2].iterdir()] == [insert.parents[1].name], "no half-made folders"


def test_a_second_start_says_where_the_first_is(start, command) -> None:
    daemon = start()
    second = command("serve", "--osc-port", "0")
    assert second.code == 2
    assert f"runs already, as process {daemon.process.pid} with OSC port {daemon.port}" in second.err
    assert second.err.count("\n") == 1
    assert daemon.process.poll() is None


def test_a_list_of_jobs_that_is_locked_at_the_start_is_said_waited_for_and_not_lost(start, short) -> None:
    daemon = start()
    with daemon.device() as device:
        device.request("job-1", **clip_request(short, SHORT_S, RATE))
        device.expect("job/accepted")
        daemon.kill()
    with closing(sqlite3.connect(daemon.folder / "jobs.sqlite3", isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        again = start()
        with again.device() as device:
            device.request("job-2", **clip_request(short, SHORT_S, RATE))
            assert device.expect("job/error")[:2] == ["job-2", "locked"]
            other.close()
            while device.expect("job/result", timeout_s=30.0)[0] != "job-1":
                pass
        code, _ = again.end()
    assert code == 0
    assert "another program holds" in again.log


def test_a_taken_port_is_said_in_one_line_and_leaves_nothing_running(start, command, tmp_path, home) -> None:
    daemon = start()
    other = {name: f"{folder} of another" for name, folder in home.items() if name.endswith("_DIR")}
    refused = subprocess.run(
        [sys.executable, "-m", "bridge", "serve", "--osc-port", str(daemon.port)],
        env={**home, **other, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert refused.returncode == 2
    assert "--osc-port 0 picks a free one" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_what_is_put_into_a_watched_folder_is_converted_once(start, short, tmp_path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / "here before.wav").write_bytes(short.read_bytes())
    config = tmp_path / "home" / "config"
    config.mkdir(parents=True)
    (config / "config.toml").write_text(
        f'[[watch]]\nfolder = "{inbox}"\n[watch.options]\nrecording = "bass"\nstems = false\n'
    )
    daemon = start()
    until(lambda: (tmp_path / "out" / "here before" / "manifest.json").exists(), "the result")
    (inbox / "the same again.wav").write_bytes(short.read_bytes())
    (inbox / "no audio.wav").write_text("not at all")
    note = until(lambda: next(inbox.glob("no audio.wav.*"), None), "the note beside what is no audio")
    assert "not audio" in note.read_text()
    assert [row[0] for row in rows(daemon)] == ["done"]
    assert daemon.end()[0] == 0


def test_watching_alone_serves_commands_but_no_devices(start, short, tmp_path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    daemon = start(inbox, command="watch")
    with daemon.device() as device:
        device.request("job-1", **clip_request(short, SHORT_S, RATE))
        assert device.expect("job/error")[:2] == ["job-1", "invalid-request"]
    assert answers(daemon.port, daemon.secret)


def test_a_command_cancels_what_runs(start, endless, command) -> None:
    daemon = start()
    with daemon.device() as device:
        device.request("job-1", **clip_request(endless, ENDLESS_S, RATE))
        device.expect("job/progress")
        [listed] = map(json.loads, command("jobs", "list", "--json").out.splitlines())
        cancelled = command("jobs", "cancel", listed["id"])
        assert (cancelled.code, cancelled.err) == (0, "")
        assert device.expect("job/error")[:2] == ["job-1", "cancelled"]
    assert [row[0] for row in rows(daemon)] == ["cancelled"]


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells which process is the worker")
def test_a_second_signal_ends_it_at_once(start, endless) -> None:
    daemon = start()
    with daemon.device() as device:
        device.request("job-1", **clip_request(endless, ENDLESS_S, RATE))
        device.expect("job/progress")
    [worker] = children_of(daemon.process.pid)
    os.kill(worker, signal.SIGSTOP)  # a conversion that doesn't end when it is told to, so that the daemon waits
    try:
        daemon.process.send_signal(signal.SIGTERM)
        until(lambda: daemon.process.send_signal(signal.SIGINT) or daemon.process.poll() is not None, "its end")
    finally:
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)
    assert daemon.process.returncode == 1
    assert "a second signal came" in daemon.log


@pytest.fixture
def heard_daemon(home, tmp_path) -> Iterator[tuple[DaemonProcess, Any]]:
    """A daemon that streams, and a JACK client that is connected to its port."""
    tool = runpy.run_path(str(Path(__file__).parents[2] / "tools" / "measure_stream.py"))
    with tool["jack_server"]() as jack, tool["Receiver"](jack) as receiver:
        daemon = DaemonProcess(jack | home, "--osc-port", "0", "--out", tmp_path / "out", "--stream")
        try:
            assert receiver.until(lambda heard: heard.connections == 1)
            yield daemon, receiver
        finally:
            daemon.kill()


NEEDS_JACK = pytest.mark.skipif(
    shutil.which("jackd") is None or shutil.which("jack_wait") is None, reason="needs jackd (Debian: jackd2)"
)


@pytest.mark.peer
@NEEDS_JACK
def test_a_conversion_is_played_to_the_midi_port_while_it_runs_and_only_once(heard_daemon, tmp_path) -> None:
    daemon, receiver = heard_daemon
    with daemon.device() as device:
        device.request("job-1", **clip_request(bass_line(tmp_path / "line.wav", BRIEF_S), BRIEF_S, RATE))
        result = Path(text(device.expect("job/result")[1])).parents[1]
    notes = json.loads((result / "notes" / "bass.json").read_text())["notes"]
    assert receiver.until(lambda heard: heard.begun == len(notes) and not heard.sounding)
    assert sorted(m[1] for _, m in receiver.heard.messages if m[0] == 0x90) == sorted(note["pitch"] for note in notes)
    code, took_s = daemon.end()
    assert (code, took_s < STOP_S) == (0, True)
    assert "playing job" in daemon.log
    assert daemon.log.count(": playing ") == 1
    assert "not be played" not in daemon.log


@pytest.mark.peer
@NEEDS_JACK
@pytest.mark.slow
def test_what_is_heard_of_a_conversion_that_is_cancelled_falls_silent(heard_daemon, tmp_path) -> None:
    daemon, receiver = heard_daemon
    song, seconds = tmp_path / "song.wav", 30.0
    soundfile.write(song, song_samples(seconds), SONG_RATE, subtype="PCM_16")
    request = clip_request(song, seconds, SONG_RATE) | {"options": {"separator": "builtin", "stems": False}}
    with daemon.device() as device:
        device.request("job-1", **request)
        assert receiver.until(lambda heard: heard.begun > 0)
        device.send("job/cancel", "job-1")
        assert device.expect("job/error")[1] == "cancelled"
        assert receiver.until(lambda heard: not heard.sounding and any(m[0] & 0xF0 == 0xB0 for _, m in heard.messages))
    assert daemon.end()[0] == 0


def test_the_setting_for_the_caches_size_reaches_the_workers(home, start, short) -> None:
    config = Path(home["STEMBRIDGE_CONFIG_DIR"])
    config.mkdir(parents=True)
    (config / "config.toml").write_text("cache_gb = 0\n")
    with start().device() as device:
        device.request("job-1", **clip_request(short, SHORT_S, RATE))
        device.expect("job/result")
    assert not list((Path(home["STEMBRIDGE_CACHE_DIR"]) / "steps").glob("*"))


def test_a_removed_discovery_file_is_written_again(tmp_path) -> None:
    from contextlib import ExitStack

    from bridge.config import Settings
    from bridge.daemon import Daemon
    from bridge.instance import read_discovery

    said: list[str] = []
    daemon = Daemon(Settings(osc_port=0, out_dir=str(tmp_path)), tmp_path, listen=True, say=said.append)
    with ExitStack() as parts:
        daemon.startup(parts)
        (tmp_path / "daemon.json").unlink()
        daemon.on_tick()
        found = read_discovery(tmp_path)
    assert found is not None
    assert f"UDP port {found.osc_port}" in said[0]


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells what a process takes")
def test_an_idle_daemon_takes_no_time_and_little_memory_and_keeps_its_handles(start, tmp_path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    daemon = start("--watch", inbox, "--stream")
    proc = Path(f"/proc/{daemon.process.pid}")
    until(lambda: f"watching {inbox}" in daemon.log, "the watcher")
    with daemon.device() as device:
        device.send("ping", device.inst, 0)
        device.expect("pong")
        before_s, handles = cpu_s(proc), len(list((proc / "fd").iterdir()))
        for number in range(360):  # as many as an idle device sends in an hour
            device.send("ping", device.inst, number)
            assert device.expect("pong")[1] == number
        busy_s = cpu_s(proc)
        time.sleep(1.0)  # a sleep that can't be avoided: what is measured is doing nothing
    assert busy_s - before_s < 1.0
    assert cpu_s(proc) - busy_s <= 0.02
    assert resident_mb(proc) < 120
    assert len(list((proc / "fd").iterdir())) <= handles


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells what a process takes")
def test_a_minute_of_doing_nothing_costs_hardly_anything_and_nothing_grows(start, tmp_path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    daemon = start("--watch", inbox, "--stream")
    proc = Path(f"/proc/{daemon.process.pid}")
    until(lambda: f"watching {inbox}" in daemon.log, "the watcher")
    samples = []
    with daemon.device() as device:
        for _ in range(7):  # the daemon asks every 10 s whether a silent device is there
            inst, seq = device.expect("ping", timeout_s=20.0)
            device.send("pong", inst, seq)
            samples.append((cpu_s(proc), resident_mb(proc), len(list((proc / "fd").iterdir()))))
    spent_s, sizes_mb, handles = zip(*samples, strict=True)
    assert spent_s[-1] - spent_s[0] <= 0.3, "half a percent of a core"
    assert max(sizes_mb) <= 120
    assert sizes_mb[-1] - sizes_mb[0] <= 1
    assert len(set(handles)) == 1


def test_the_daemon_has_nothing_heavy_in_it(tmp_path) -> None:
    script = f"""
import sys, threading
from contextlib import ExitStack
from pathlib import Path
from bridge.config import Settings, WatchedFolder
from bridge.daemon import Daemon
settings = Settings(osc_port=0, out_dir={str(tmp_path)!r}, watch=(WatchedFolder({str(tmp_path)!r}),), stream=True)
with ExitStack() as parts:
    Daemon(settings, Path({str(tmp_path / "daemon")!r}), listen=True, say=lambda line: None).startup(parts)
    print(*sorted({HEAVY} & {{name.split(".")[0] for name in sys.modules}}))
"""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, check=True, capture_output=True, text=True)
    assert done.stdout.split() == []


def children_of(pid: int) -> list[int]:
    """Processes that a process started, with whichever of its threads."""
    return [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]


def cpu_s(proc: Path) -> float:
    """Processor time that a process has taken, from fields 14 and 15 of its stat (man proc)."""
    fields = (proc / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(proc: Path) -> float:
    """Memory of a process."""
    line = next(line for line in (proc / "status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024
