import logging
import os
import shutil
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bridge.errors import OutputUnwritable
from bridge.instance import AlreadyRunning, Instance, is_locked, read_discovery, restore_secret, running, secret
from bridge.logs import BACKUPS, logging_to

REPOSITORY = Path(__file__).parents[2]
posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")


def test_a_second_start_says_where_the_first_one_is(tmp_path: Path) -> None:
    with Instance(tmp_path / "daemon", clock=lambda: 0.0) as first:
        assert running(tmp_path / "daemon") is None
        discovery = first.announce(17905)
        assert discovery.pid == os.getpid()
        assert running(tmp_path / "daemon") == discovery
        with pytest.raises(AlreadyRunning, match=rf"process {os.getpid()} with OSC port 17905") as refused:
            Instance(tmp_path / "daemon").__enter__()
        assert refused.value.code == "already-running"
        assert running(tmp_path / "daemon") == discovery
    assert running(tmp_path / "daemon") is None
    assert not is_locked(tmp_path / "daemon")
    with Instance(tmp_path / "daemon"):
        assert is_locked(tmp_path / "daemon")


def test_what_a_killed_one_leaves_is_in_nobodys_way(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib; from bridge.instance import Instance; "
        "instance = Instance(pathlib.Path(sys.argv[1])).__enter__(); instance.announce(4); "
        "print('up', flush=True); sys.stdin.read()"
    )
    arguments = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(arguments, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout
        other.stdout.readline()
        with pytest.raises(AlreadyRunning, match=f"process {other.pid} with OSC port 4"):
            Instance(tmp_path).__enter__()
        other.kill()
    assert read_discovery(tmp_path) is not None
    assert running(tmp_path) is None
    with Instance(tmp_path):
        assert read_discovery(tmp_path) is None


def test_children_do_not_keep_the_lock(tmp_path: Path) -> None:
    with Instance(tmp_path):
        arguments = [sys.executable, "-c", "import sys; print('up', flush=True); sys.stdin.read()"]
        child = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=False)
        assert child.stdout
        child.stdout.readline()  # only then are its copies of our descriptors surely closed
    assert not is_locked(tmp_path)
    child.communicate()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 0}', '{"pid": 1, "osc_port": 99999}', "\x00", "[" * 9000])
def test_a_damaged_discovery_file_is_as_good_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "daemon.json").write_text(text)
    assert read_discovery(tmp_path) is None
    with Instance(tmp_path), pytest.raises(AlreadyRunning, match="starting or ending"):
        Instance(tmp_path).__enter__()


@posix
def test_a_folder_in_the_way_is_said(tmp_path: Path) -> None:
    (tmp_path / "daemon").write_text("a file")
    for use in (Instance(tmp_path / "daemon").__enter__, lambda: secret(tmp_path / "daemon")):
        with pytest.raises(OutputUnwritable, match="cannot use"):
            use()


def test_the_secret_is_long_stays_the_same_and_is_nobody_elses(tmp_path: Path) -> None:
    made = secret(tmp_path / "a")
    assert len(made) == 64
    assert int(made, 16) >= 0
    assert secret(tmp_path / "a") == made
    assert secret(tmp_path / "b") != made
    if os.name != "nt":
        assert stat.S_IMODE((tmp_path / "a" / "secret").stat().st_mode) == 0o600
        assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["secret"]


@posix
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_secret_that_others_could_read_or_write_is_replaced(tmp_path: Path, mode: int, caplog) -> None:
    known = secret(tmp_path)
    (tmp_path / "secret").chmod(mode)
    assert secret(tmp_path) != known
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
    assert "install the device again" in caplog.text


@pytest.mark.parametrize("text", ["", "abc", "é" * 64, "0" * 63, "g" * 64])
def test_what_is_no_secret_is_replaced(tmp_path: Path, text: str) -> None:
    secret(tmp_path)
    (tmp_path / "secret").write_text(text, "utf-8")
    assert len(secret(tmp_path)) == 64


@posix
def test_a_link_is_not_followed_for_the_secret(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("0" * 64)
    (tmp_path / "elsewhere").chmod(0o600)
    (tmp_path / "secret").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputUnwritable):
        secret(tmp_path)


def test_many_who_ask_at_once_get_one_secret(tmp_path: Path) -> None:
    found: list[str] = []
    barrier = threading.Barrier(8)

    def ask() -> None:
        barrier.wait()
        found.append(secret(tmp_path))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_the_log_is_bounded_and_ends_with_its_context(tmp_path: Path) -> None:
    log = logging.getLogger("bridge.test")
    with logging_to(tmp_path / "logs", "info", "hello", print) as path:
        for _ in range(100):
            log.info("x" * 100_000)
        log.debug("not so weighty")
    log.warning("after the end")
    files = sorted(path.parent.iterdir())
    assert len(files) == BACKUPS + 1
    assert all(file.stat().st_size <= 2 << 20 for file in files)
    assert "weighty" not in path.read_text()
    assert "after" not in path.read_text()


def test_a_message_can_neither_pass_for_another_nor_move_the_cursor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # pytest would put the message into its report, and with it what is no Unicode.
    monkeypatch.setattr(logging.getLogger("bridge"), "propagate", False)
    with logging_to(tmp_path, "info", "hello", print) as path:
        logging.getLogger("bridge.test").info("name %s", "a\n2026-01-01 INFO all is well\x1b[2J\udcff\r\u202e")
    first, second = path.read_text("utf-8").splitlines()[1:3]
    assert first.endswith("name a")
    assert second.startswith("    2026-01-01 INFO all is well\\x1b[2J\\udcff")


def test_a_log_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file")
    said = r"cannot write .*stembridge\.log: .*; make this log writable"
    with pytest.raises(OutputUnwritable, match=said), logging_to(tmp_path / "logs", "info", "hello", print):
        pass


def test_a_log_that_goes_away_is_made_again(tmp_path: Path) -> None:
    log = logging.getLogger("bridge.test")
    with logging_to(tmp_path / "logs", "info", "hello", print) as path:
        shutil.rmtree(path.parent)
        log.info("here again")
        assert path.read_text().endswith("here again\n")


def test_a_log_that_can_no_longer_be_written_is_said_once_and_later_goes_on(tmp_path: Path, capsys) -> None:
    log, said = logging.getLogger("bridge.test"), []
    with logging_to(tmp_path / "logs", "info", "hello", said.append) as path:
        shutil.rmtree(path.parent)
        path.parent.write_text("in the way")
        log.info("lost")
        log.info("lost too")
        path.parent.unlink()
        log.info("kept")
        assert path.read_text().endswith("kept\n")
        assert "lost" not in path.read_text()
    assert len(said) == 1
    assert "can't be written" in said[0]
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is always full")
def test_a_log_on_a_full_disk_is_said_before_anything_begins(tmp_path: Path, capsys) -> None:
    (tmp_path / "stembridge.log").symlink_to("/dev/full")
    with (
        pytest.raises(OutputUnwritable, match="No space left on device; free some space"),
        logging_to(tmp_path, "info", "hello", print),
    ):
        pass
    assert capsys.readouterr().err == ""


def test_what_breaks_a_thread_is_logged(tmp_path: Path) -> None:
    def break_down() -> None:
        raise RuntimeError("a fault of ours")

    with logging_to(tmp_path, "error", "hello", print) as path:
        thread = threading.Thread(target=break_down, name="some work")
        thread.start()
        thread.join()
    assert "the thread some work broke down" in path.read_text()
    assert "RuntimeError: a fault of ours" in path.read_text()


def test_a_daemon_whose_folder_goes_away_stays_the_only_one_and_can_be_found(tmp_path: Path) -> None:
    folder = tmp_path / "daemon"
    with Instance(folder) as instance:
        mine = instance.announce(17900)
        assert not instance.look_after(mine)
        shutil.rmtree(folder)
        assert instance.look_after(mine)
        assert running(folder) == mine
        with pytest.raises(AlreadyRunning):
            Instance(folder).__enter__()
        assert not instance.look_after(mine)
    assert not is_locked(folder)


def test_a_daemon_whose_place_was_taken_leaves_the_others_files_alone(tmp_path: Path) -> None:
    folder = tmp_path / "daemon"
    script = f"""
import sys
from pathlib import Path
from bridge.instance import Instance
with Instance(Path({str(folder)!r})) as it:
    it.announce(2)
    print("there", flush=True)
    sys.stdin.read()
"""
    with Instance(folder) as instance:
        mine = instance.announce(1)
        shutil.rmtree(folder)
        with subprocess.Popen(
            [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPOSITORY
        ) as other:
            assert other.stdout.readline() == b"there\n"
            with pytest.raises(AlreadyRunning, match=f"process {other.pid}"):
                instance.look_after(mine)
            assert read_discovery(folder).osc_port == 2
            other.stdin.close()


def test_a_secret_that_goes_away_comes_back(tmp_path: Path) -> None:
    known = secret(tmp_path)
    assert not restore_secret(tmp_path, known)
    (tmp_path / "secret").unlink()
    assert restore_secret(tmp_path, known)
    assert secret(tmp_path) == known
