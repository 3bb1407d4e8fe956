"""Real conversions of a small song made here, each test with folders of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from tests.integration.support import RATE, Run, song_samples


@pytest.fixture(scope="session")
def song(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("song") / "small song.wav"
    soundfile.write(path, song_samples(), RATE, subtype="PCM_16")
    return path


@pytest.fixture
def home(tmp_path) -> dict[str, str]:
    """An environment in which Stembridge's own folders are new."""
    folders = {f"STEMBRIDGE_{name}_DIR": str(tmp_path / "home" / name.lower()) for name in ("CACHE", "DATA", "CONFIG")}
    return {**os.environ, **folders, "OMP_NUM_THREADS": "1"}


@pytest.fixture
def command(home, tmp_path) -> Callable[..., Run]:
    """Runs `stembridge` in a process of its own, in a new working directory."""
    work = tmp_path / "work"
    work.mkdir()

    def run(*arguments: str | Path, **options) -> Run:
        done = subprocess.run(
            [sys.executable, "-m", "bridge", *map(os.fspath, arguments)],
            env={**home, "PYTHONPATH": str(Path(__file__).parents[2])},
            cwd=work,
            capture_output=True,
            timeout=60,
            **options,
        )
        out, err = done.stdout.decode(), done.stderr.decode()
        events = [json.loads(line) for line in out.splitlines()] if "--json" in arguments else []
        return Run(done.returncode, out, err, events)

    return run


@pytest.fixture
def convert(home, tmp_path, monkeypatch, capsys) -> Callable[..., Run]:
    """Runs `stembridge convert --json` in this process, which saves loading the engines each time.

    Without `usual=True`, nothing is delivered beyond stems and MIDI: most tests are about these.
    """
    from bridge import cli

    work = tmp_path / "here"
    work.mkdir()
    monkeypatch.chdir(work)
    for name, value in home.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str | Path, usual: bool = False) -> Run:
        deliver = [] if usual else ["--deliver", "none"]
        monkeypatch.setattr(sys, "argv", ["stembridge", "convert", "--json", *deliver, *map(os.fspath, arguments)])
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert handlers == {number: signal.getsignal(number) for number in handlers}
        captured = capsys.readouterr()
        events = [json.loads(line) for line in captured.out.splitlines()]
        return Run(ended.value.code, captured.out, captured.err, events)

    return run
