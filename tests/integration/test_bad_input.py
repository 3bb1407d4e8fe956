"""Whatever is thrown at the command: the contract's exit code, one clear line, and nothing left behind."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.integration.support import RATE, leftovers, song_samples


def wav(path: Path, samples: np.ndarray, rate: int = RATE, subtype: str = "PCM_16") -> Path:
    soundfile.write(path, samples, rate, subtype=subtype, format="WAV")
    return path


def text_named_wav(folder: Path) -> Path:
    path = folder / "lyrics.wav"
    path.write_text("Is this the real life?\n" * 100)
    return path


def truncated_header(folder: Path) -> Path:
    whole = wav(folder / "whole.wav", song_samples(1.0)).read_bytes()
    (folder / "whole.wav").unlink()
    path = folder / "cut.wav"
    path.write_bytes(whole[:30])
    return path


def named_pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.wav")
    return folder / "pipe.wav"


def a_socket(folder: Path) -> Path:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "s.wav"))
    listener.close()
    return folder / "s.wav"


def dangling_link(folder: Path) -> Path:
    (folder / "link.wav").symlink_to(folder / "nowhere.wav")
    return folder / "link.wav"


def empty_file(folder: Path) -> Path:
    (folder / "empty.wav").touch()
    return folder / "empty.wav"


def nothing_but_a_header(folder: Path) -> Path:
    return wav(folder / "silent.wav", np.zeros((0, 2)))


UNREADABLE = {
    "missing": lambda folder: folder / "missing.wav",
    "a folder": lambda folder: folder,
    "empty": empty_file,
    "text": text_named_wav,
    "cut header": truncated_header,
    "no samples": nothing_but_a_header,
    "named pipe": named_pipe,
    "socket": a_socket,
    "device": lambda folder: Path("/dev/zero"),
    "dangling link": dangling_link,
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_what_is_not_audio_gets_one_line_and_exit_code_3(convert, tmp_path, kind):
    (tmp_path / "in").mkdir()
    run = convert(UNREADABLE[kind](tmp_path / "in"))
    assert run.code == 3
    assert run.err.startswith("stembridge: ")
    assert run.err.count("\n") == 1
    assert "Traceback" not in run.err
    assert [event["code"] for event in run.events if event["event"] == "error"] == ["audio-unreadable"]
    assert leftovers(Path()) == []


def noise(seconds: float) -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.5, 0.5, (round(seconds * RATE), 2)).astype(np.float32)


def with_nans(folder: Path) -> Path:
    samples = song_samples(1.0)
    samples[1000:1100] = np.nan
    samples[2000] = np.inf
    return wav(folder / "x.wav", samples, subtype="FLOAT")


ODD = {
    "digital silence": (lambda f: wav(f / "x.wav", np.zeros((RATE, 2))), "silent"),
    "one sample": (lambda f: wav(f / "x.wav", np.full((1, 2), 0.5)), "short"),
    "0.05 s": (lambda f: wav(f / "x.wav", noise(0.05)), "short"),
    "0.2 s": (lambda f: wav(f / "x.wav", noise(0.2)), "short"),
    "NaN and infinity": (with_nans, "not numbers"),
    "DC": (lambda f: wav(f / "x.wav", np.full((RATE, 2), 0.7)), "DC"),
    "clipped": (lambda f: wav(f / "x.wav", np.clip(song_samples(1.0) * 20, -1, 1)), "clipped"),
    "beyond full scale": (lambda f: wav(f / "x.wav", song_samples(1.0) * 8, subtype="FLOAT"), ""),
    "noise": (lambda f: wav(f / "x.wav", noise(1.0)), ""),
    "8 kHz mono": (lambda f: wav(f / "x.wav", song_samples(1.0, 8000)[:, 0], 8000), ""),
    "192 kHz": (lambda f: wav(f / "x.wav", song_samples(0.5, 192000), 192000), ""),
    "5.1": (lambda f: wav(f / "x.wav", np.repeat(song_samples(1.0), 3, axis=1)), "channels"),
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_audio_gives_a_whole_result(convert, tmp_path, kind):
    make, warning = ODD[kind]
    (tmp_path / "in").mkdir()
    run = convert(make(tmp_path / "in"), usual=True)
    assert run.code == 0, run.err
    assert run.err == ""
    warnings = [event["message"] for event in run.events if event["event"] == "warning"]
    assert any(warning in text for text in warnings)
    stems = sorted(Path("x/stems").glob("*.wav"))
    assert len(stems) == 12
    source = soundfile.info(tmp_path / "in/x.wav")
    assert {soundfile.info(stem).frames for stem in stems} == {source.frames}
    assert {soundfile.info(stem).samplerate for stem in stems} == {source.samplerate}


def test_one_bad_file_does_not_stop_the_others(convert, song, tmp_path):
    run = convert("--as", "bass", text_named_wav(tmp_path), song, tmp_path / "missing.wav")
    assert run.code == 3
    assert leftovers(Path()) == ["small song"]
    assert run.err.count("\n") == 2


@pytest.mark.parametrize(
    "name",
    ['it\'s "quoted" & $HOME', "🎹 ünï", "-", "...", "..hidden", "new\nline", "a" * 251, "percent%20", "tab\there"],
)
def test_any_name_works(convert, song, tmp_path, name):
    (tmp_path / "in").mkdir()
    source = tmp_path / "in" / f"{name}.wav"
    shutil.copy(song, source)
    run = convert("--as", "bass", source)
    assert run.code == 0, run.err
    assert len(leftovers(Path())) == 1


def test_a_name_that_is_not_unicode_works(command, song, tmp_path):
    source = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.wav")
    shutil.copy(song, source)
    run = command("convert", "--as", "bass", source)
    assert run.code == 0, run.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("--bpm", "3"),
        ("--bpm", "nan"),
        ("--strength", "nan"),
        ("--as", "bass", "--parts", "drums"),
        ("--range", "5"),
        ("--range", "5:2"),
        ("--quantize", "3/16"),
        ("--quantize", "1e-99999999"),
        ("--program", f"bass={'9' * 5000}"),
        ("--soundfont", __file__),
        ("--swing", "0.6"),
        ("--strength", "0.5"),
        ("--parts", "tuba"),
        ("--strength", "2"),
        ("--separator", "magic"),
        ("--as", "bass", "--separator", "builtin"),
        ("--range", "1000:2000"),
    ],
)
def test_wrong_use_gets_one_line_and_exit_code_2(convert, song, arguments):
    run = convert(song, *arguments)
    assert run.code == 2
    assert run.err.startswith("stembridge: ")
    assert run.err.count("\n") == 1
    assert leftovers(Path()) == []


def test_missing_weights_are_exit_code_4_and_say_what_to_do(convert, song):
    run = convert(song, "--separator", "htdemucs")
    assert run.code == 4
    assert "stembridge models download htdemucs" in run.err
    assert leftovers(Path()) == []


def test_a_folder_of_something_else_is_not_touched(convert, song):
    Path("small song").mkdir()
    Path("small song/thesis.txt").write_text("years of work")
    run = convert(song, "--as", "bass")
    assert run.code == 6
    assert run.err.count("\n") == 1
    assert leftovers(Path("small song")) == ["thesis.txt"]
    assert leftovers(Path()) == ["small song"]


def test_an_output_folder_that_cannot_be_made_is_exit_code_6(convert, song):
    Path("file").write_text("in the way")
    run = convert(song, "--out", "file/results")
    assert run.code == 6
    assert leftovers(Path()) == ["file"]


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system with 3 MB of room."""
    mount = shutil.which("mount")
    place = tmp_path / "tiny"
    place.mkdir()
    made = mount and subprocess.run([mount, "-t", "tmpfs", "-o", "size=3m", "tmpfs", place], capture_output=True)
    if not made or made.returncode:
        pytest.skip("mounting a small file system is not allowed here")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_disk_without_room_is_said_before_the_work(convert, song, tiny_disk):
    run = convert(song, "--out", tiny_disk)
    assert run.code == 6
    assert "separate" not in run.stages
    assert run.err.count("\n") == 1
    assert leftovers(tiny_disk) == []


def test_a_disk_that_fills_up_while_at_work_leaves_nothing(convert, song, tiny_disk, monkeypatch):
    monkeypatch.setattr("bridge.convert._check_room", lambda folder, steps: None)
    run = convert(song, "--out", tiny_disk)
    assert run.code == 6
    assert "space" in run.err
    assert run.err.count("\n") == 1
    assert leftovers(tiny_disk) == []


def long_song(folder: Path) -> Path:
    return wav(folder / "long.wav", np.tile(song_samples(4.0), (30, 1)))


def start(home, folder: Path, source: Path) -> subprocess.Popen:
    """A conversion in a process of its own, waited for until it separates."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bridge", "convert", "--json", str(source)],
        env={**home, "PYTHONPATH": str(Path(__file__).parents[2])},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if '"separate"' in line and '"fraction": 0.0' not in line:
            break
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_it_and_leaves_nothing(home, tmp_path, number):
    (tmp_path / "out").mkdir()
    process = start(home, tmp_path / "out", long_song(tmp_path))
    assert leftovers(tmp_path / "out") != []
    process.send_signal(number)
    _, err = process.communicate(timeout=5)  # a second, on a machine that does nothing else
    assert process.returncode == 5
    assert err.count("\n") == 1
    assert leftovers(tmp_path / "out") == []


def test_what_a_killed_conversion_left_is_cleared_up_by_the_next(home, convert, song, tmp_path):
    process = start(home, Path.cwd(), long_song(tmp_path))
    process.kill()
    process.communicate(timeout=5)
    assert leftovers(Path()) != []
    assert convert(song, "--as", "bass").code == 0
    assert leftovers(Path()) == ["small song"]


def test_a_reader_that_goes_away_is_no_traceback(home, song, tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "bridge", "convert", "--json", "--as", "bass", str(song)],
        env={**home, "PYTHONPATH": str(Path(__file__).parents[2])},
        cwd=tmp_path,
        stdout=writing,
        stderr=subprocess.PIPE,
        timeout=60,
    )
    os.close(writing)
    assert b"Traceback" not in done.stderr


def test_no_thread_is_left_running(convert, song):
    before = threading.active_count()
    convert(song, "--as", "drums")
    assert threading.active_count() == before
