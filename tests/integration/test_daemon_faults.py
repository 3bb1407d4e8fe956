"""What a daemon does when its own folder, its disk or its log fails it, and what its user is told of conversions."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bridge.config import Settings, WatchedFolder
from bridge.daemon import Daemon
from bridge.instance import running
from bridge.jobs.model import Job, JobEvent, JobSpec
from bridge.peer import answers


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def daemon(tmp_path: Path, said: list[str]) -> Iterator[Daemon]:
    """One that has started, in `tmp_path` / "daemon"."""
    settings = Settings(osc_port=0, out_dir=str(tmp_path / "out"))
    it = Daemon(settings, tmp_path / "daemon", listen=True, say=said.append)
    with ExitStack() as parts:
        it.startup(parts)
        yield it


def secret_in(folder: Path) -> str:
    return (folder / "secret").read_text().strip()


def test_a_daemon_whose_folder_goes_away_goes_on_and_is_found_again(daemon, tmp_path) -> None:
    folder = tmp_path / "daemon"
    known = secret_in(folder)
    shutil.rmtree(folder)
    daemon.on_tick()
    assert secret_in(folder) == known
    found = running(folder)
    assert found is not None
    assert answers(found.osc_port, known)


def test_a_daemon_whose_folder_cannot_be_made_again_goes_on_and_says_so_once(daemon, tmp_path, caplog) -> None:
    folder = tmp_path / "daemon"
    found = running(folder)
    known = secret_in(folder)
    shutil.rmtree(folder)
    folder.write_text("in the way")
    for _ in range(3):
        daemon.on_tick()
    assert caplog.text.count("it is tried again every") == 1
    assert answers(found.osc_port, known)
    folder.unlink()
    daemon.on_tick()
    assert running(folder) == found


def test_a_full_disk_is_one_line_and_exit_code_6(command, home) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no disk that is always full")
    logs = Path(home["STEMBRIDGE_DATA_DIR"]) / "daemon" / "logs"
    logs.mkdir(parents=True)
    (logs / "stembridge.log").symlink_to("/dev/full")
    run = command("serve", "--osc-port", "0")
    assert (run.code, run.out) == (6, "")
    assert run.err.count("\n") == 1
    assert "No space left on device; free some space" in run.err


def test_the_user_is_told_how_conversions_end(daemon, said) -> None:
    spec = JobSpec(source="/in/a \udcff\x1b.wav", out_dir="/out")
    del said[:]
    for changes in (
        {"state": "done", "result": "/out/a"},
        {"state": "failed", "error_text": "it is no audio"},
        {"state": "cancelled"},
    ):
        daemon._tell_end(JobEvent(Job("a", "watch", 20, spec, **changes), "ended"))
    assert said == [
        r"Converted a \udcff\x1b.wav: /out/a",
        r"Could not convert a \udcff\x1b.wav: it is no audio",
        r"Cancelled: a \udcff\x1b.wav",
    ]


def test_results_that_could_not_be_written_are_said_at_the_start(tmp_path, said) -> None:
    (tmp_path / "out").write_text("a file")
    settings = Settings(osc_port=0, out_dir=str(tmp_path / "out" / "deeper"))
    with ExitStack() as parts:
        Daemon(settings, tmp_path / "daemon", listen=True, say=said.append).startup(parts)
    [note] = [line for line in said if line.startswith("Note: results can't be written to")]
    assert f"{tmp_path / 'out'} is no folder" in note


def test_a_user_who_listens_no_more_disturbs_nothing(tmp_path) -> None:
    def gone(line: str) -> None:
        raise BrokenPipeError

    with ExitStack() as parts:
        Daemon(Settings(osc_port=0, out_dir=str(tmp_path)), tmp_path, listen=True, say=gone).startup(parts)
        assert running(tmp_path) is not None


def test_a_watched_folder_that_is_not_there_yet_is_said(tmp_path, said) -> None:
    here, missing = tmp_path / "here", tmp_path / "missing"
    here.mkdir()
    folders = (WatchedFolder(str(here)), WatchedFolder(str(missing)))
    settings = Settings(osc_port=0, out_dir=str(tmp_path / "out"), watch=folders)
    with ExitStack() as parts:
        Daemon(settings, tmp_path / "daemon", listen=True, say=said.append).startup(parts)
    assert [line for line in said if line.startswith("Watching")] == [
        f"Watching {here}",
        f"Watching {missing} once it is there",
    ]
