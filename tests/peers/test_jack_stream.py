"""A JACK server carries the notes, and another JACK client hears them: none lost, none left hanging, whoever dies."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bridge.errors import EngineFailed
from bridge.outputs.score import TimedNote
from bridge.outputs.streamer import Streamer

REPOSITORY = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(
        shutil.which("jackd") is None or shutil.which("jack_wait") is None, reason="needs jackd (Debian: jackd2)"
    ),
]

#: `stembridge play`, whether or not the command line has it already.
PLAY = "import bridge.cli as cli, bridge.commands.play as it; cli.stembridge.add_command(it.play); cli.main()"
#: Longer than any test needs its song for.
LONG_S = 120.0


def _tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("measure_stream", REPOSITORY / "tools/measure_stream.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["measure_stream"] = module
    spec.loader.exec_module(module)
    return module


tool = _tool()


@pytest.fixture(scope="module")
def jack() -> Iterator[dict[str, str]]:
    with tool.jack_server() as environment:
        yield environment


@pytest.fixture
def receiver(jack: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("JACK_DEFAULT_SERVER", "STEMBRIDGE_MIDI_API"):
        monkeypatch.setenv(name, jack[name])
    with tool.Receiver(jack) as receiver:
        yield receiver


@pytest.fixture
def player(jack: dict[str, str]) -> Iterator[Any]:
    """Starts `stembridge play` with some arguments."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", PLAY, "play", *map(str, arguments)],
            env=jack,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def plays(heard: Any) -> bool:
    return heard.begun > 10 and bool(heard.sounding)


def is_quiet(heard: Any) -> bool:
    return not heard.sounding and ends_in_order(heard)


def ends_in_order(heard: Any) -> bool:
    """Whether "all notes off" came last, for each of the four channels."""
    last = [message for _, message in heard.messages[-12:] if message[0] & 0xF0 == 0xB0 and message[1] == 123]
    return {message[0] & 0x0F for message in last} == {0, 1, 2, 9}


def child_of(process: subprocess.Popen[str]) -> int:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert len(children) == 1
    return int(children[0])


def test_every_note_of_a_stream_arrives_once_and_ends(receiver: Any, tmp_path: Path):
    position, _ = tool.stream(tool.make_song(tmp_path / "song", 100, 100.0), receiver, patience_s=20.0)
    assert receiver.until(lambda heard: heard.begun >= 100 and is_quiet(heard))
    assert position.begun == receiver.heard.begun == 100
    assert receiver.heard.begun_twice == 0


@pytest.mark.slow
def test_notes_arrive_in_time(receiver: Any, tmp_path: Path):
    song = tool.make_song(tmp_path / "song", 300, 100.0)
    _, zero_s = tool.stream(song, receiver, patience_s=20.0)
    assert receiver.until(lambda heard: heard.begun >= 300)
    delays = tool.arrival_delays_ms(receiver.heard, zero_s, song)
    # What is early is wrong on any machine; how late notes are on a machine that does other things is for the tool.
    assert min(delays) > -1.0
    assert tool.quantile(delays, 0.5) < 50.0


def test_a_player_that_is_stopped_with_ctrl_c_ends_all_notes_and_did_well(receiver: Any, player: Any, tmp_path: Path):
    process = player(tool.make_song(tmp_path / "song", 4000, 50.0))
    assert receiver.until(plays)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=20.0)
    assert receiver.until(is_quiet)
    assert (process.returncode, stderr) == (0, "")
    assert stdout.startswith("Playing bass, melody, vocals, drums to the new port Stembridge (jack)")


@pytest.mark.slow
def test_no_note_hangs_when_the_command_is_killed(receiver: Any, player: Any, tmp_path: Path):
    process = player(tool.make_song(tmp_path / "song", 4000, 50.0))
    assert receiver.until(plays)
    process.kill()
    assert receiver.until(is_quiet)


@pytest.mark.slow
def test_no_note_hangs_when_the_playing_process_is_told_to_end(receiver: Any, player: Any, tmp_path: Path):
    process = player(tool.make_song(tmp_path / "song", 4000, 50.0))
    assert receiver.until(plays)
    os.kill(child_of(process), signal.SIGTERM)
    assert receiver.until(is_quiet)
    _, stderr = process.communicate(timeout=20.0)
    assert process.returncode == 1
    assert re.fullmatch(r"stembridge: the process that plays was told to end; .*\n", stderr)


@pytest.mark.slow
def test_no_note_hangs_when_the_playing_process_is_killed(receiver: Any, tmp_path: Path):
    song = tool.make_song(tmp_path / "song", 4000, 50.0)
    with Streamer("Stembridge", "jack") as streamer:
        streamer.load(song)
        streamer.play()
        assert receiver.until(plays)
        killed = streamer.pid
        os.kill(killed, signal.SIGKILL)
        # What sounds when a port vanishes goes on sounding: the receiver hears of its end from the next port.
        assert receiver.until(lambda heard: heard.connections == 2)
        assert receiver.until(is_quiet)
        assert streamer.pid != killed
        with pytest.raises(EngineFailed, match="died"):
            streamer.wait(0.0)
        # The new process is as good as the old one.
        begun = receiver.heard.begun
        streamer.load(song)
        streamer.play()
        assert receiver.until(lambda heard: heard.begun > begun + 5)
    assert receiver.until(is_quiet)


@pytest.mark.slow
def test_the_command_says_that_its_player_was_killed(receiver: Any, player: Any, tmp_path: Path):
    process = player(tool.make_song(tmp_path / "song", 4000, 50.0))
    assert receiver.until(plays)
    os.kill(child_of(process), signal.SIGKILL)
    assert receiver.until(lambda heard: heard.connections == 2 and is_quiet(heard))
    _, stderr = process.communicate(timeout=20.0)
    assert process.returncode == 1
    assert re.fullmatch(r"stembridge: the process that plays died.*\n", stderr)


@pytest.mark.slow
def test_the_watchdog_ends_notes_when_the_parent_gives_no_sign_of_life(receiver: Any, tmp_path: Path):
    song = tool.make_song(tmp_path / "song", 4000, 50.0)
    command = [sys.executable, "-P", "-m", "bridge.outputs.stream_main", "--api", "jack", "--watchdog", "1.5"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdin is not None
        assert receiver.until(lambda heard: heard.connections == 1)
        process.stdin.write(f'{{"do":"load","number":1,"folder":"{song}","options":{{}}}}\n{{"do":"play"}}\n'.encode())
        process.stdin.flush()
        assert receiver.until(plays)
        assert receiver.until(is_quiet)
        assert process.poll() is None  # a parent that was only asleep finds it alive
        process.stdin.close()
        assert process.wait(20.0) == 0


@pytest.mark.slow
def test_notes_play_while_a_conversion_still_finds_them(receiver: Any):
    with Streamer("Stembridge", "jack") as streamer:
        assert receiver.until(lambda heard: heard.connections == 1)
        streamer.grow(("bass", "drums"))
        streamer.play()
        streamer.append("bass", [TimedNote(0.0, 0.2, 40, 90), TimedNote(0.2, 9.0, 41, 90)], 3.0)
        streamer.append("drums", [TimedNote(0.1, 0.15, 36, 100)], 2.5)
        # The second bass note would last nine seconds, but nobody knows yet what comes after 2.5.
        assert receiver.until(lambda heard: heard.begun == 3 and not heard.sounding)
        streamer.append("drums", [TimedNote(2.6, 2.7, 38, 100)], 3.0)
        streamer.append("bass", [], 3.0)
        streamer.complete()
        assert receiver.until(lambda heard: heard.begun == 4)
        streamer.stop()
        assert receiver.until(lambda heard: not heard.sounding)


@pytest.mark.slow
def test_the_end_of_a_song_is_not_taken_for_that_of_the_next(jack: dict[str, str], tmp_path: Path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JACK_DEFAULT_SERVER", jack["JACK_DEFAULT_SERVER"])
        with Streamer("Stembridge", "jack") as streamer:
            for number in range(2):
                streamer.load(tool.make_song(tmp_path / str(number), 4, 20.0))
                streamer.play()
                assert not streamer.wait(0.1)
                assert streamer.wait(20.0)


@pytest.mark.slow
def test_clock_starts_ticks_and_stops(receiver: Any, player: Any, tmp_path: Path):
    process = player(tool.make_song(tmp_path / "song", 40, 20.0), "--clock", "--to-bar", "1", "--speed", "2")
    assert process.wait(20.0) == 0
    assert receiver.until(lambda heard: any(message == b"\xfc" for _, message in heard.messages))
    real_time = [message for _, message in receiver.heard.messages if message[0] >= 0xF0]
    assert real_time == [b"\xfa", *[b"\xf8"] * 96, b"\xfc"]


def test_without_a_midi_system_the_command_ends_with_one_line(player: Any, tmp_path: Path, jack: dict[str, str]):
    song = tool.make_song(tmp_path / "song", 4, 10.0)
    done = subprocess.run(
        [sys.executable, "-c", PLAY, "play", str(song)],
        env={**jack, "JACK_DEFAULT_SERVER": "there-is-none"},
        capture_output=True,
        text=True,
        check=False,
        timeout=20.0,
    )
    assert (done.returncode, done.stdout) == (4, "")
    assert re.fullmatch(r"stembridge: there is no MIDI system here: jack: no JACK server runs.*\n", done.stderr)


def test_ports_are_listed(jack: dict[str, str], receiver: Any):
    done = subprocess.run(
        [sys.executable, "-c", PLAY, "play", "--list-ports"], env=jack, capture_output=True, text=True, check=True
    )
    assert "\njack      a virtual port can be made\n" in f"\n{done.stdout}"
    assert done.stderr == ""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_five_thousand_notes_arrive_while_a_conversion_runs_beside(receiver: Any, tmp_path: Path):
    song = tool.make_song(tmp_path / "song", 5000, 50.0)
    command = [sys.executable, "-m", "bridge", "convert", "--force", "--out", str(tmp_path / "beside")]
    with tool.beside([*command, str(REPOSITORY / "bridge/data/demo/song.flac")]):
        position, _ = tool.stream(song, receiver, patience_s=200.0)
    assert receiver.until(lambda heard: heard.begun >= 5000 and is_quiet(heard))
    assert position.begun == receiver.heard.begun == 5000
