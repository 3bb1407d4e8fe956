"""Watched folders at work: real files, real observers, a queue that only remembers. Time stands still unless moved."""

import errno
import os
import shutil
import sqlite3
import sys
import threading
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from watchdog.observers import Observer

from bridge.errors import BridgeError, InvalidRequest
from bridge.inputs.ledger import Ledger
from bridge.inputs.notes import note_for
from bridge.inputs.places import WatchedFolder
from bridge.inputs.settle import PATIENCE_S, SETTLE_S
from bridge.inputs.watch import HEALTH_S, RESCAN_S, RETRY_S, FolderWatcher
from bridge.jobs.model import Options

#: Where nobody may read a file without permission; root may, and Windows asks otherwise.
HAS_PERMISSIONS = os.name != "nt" and os.geteuid() != 0


def wav(path: Path, pitch: int = 60) -> Path:
    """A short WAV file; another pitch is another content."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(pitch.to_bytes(2, "little") * 400)
    return path


class Queue:
    """Takes what is submitted."""

    def __init__(self) -> None:
        self.paths: list[Path] = []
        self.folders: list[WatchedFolder] = []
        self.refusal: Exception | None = None
        self.ended: Callable[[str, bool, str], None]
        self._changed = threading.Condition()

    def submit(self, folder: WatchedFolder, path: Path) -> str:
        if self.refusal is not None:
            raise self.refusal
        with self._changed:
            self.paths.append(path)
            self.folders.append(folder)
            self._changed.notify_all()
            return f"job-{len(self.paths)}"

    def names(self) -> list[str]:
        return [path.name for path in self.paths]

    def wait_for(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.paths) >= count, 20.0), self.names()


class Desk:
    """A watched folder, its queue and ledger, and a watcher whose clock only goes on when it is told to."""

    def __init__(self, root: Path, **options: bool) -> None:
        self.folder = root / "in"
        self.folder.mkdir()
        self.out = root / "out"
        self.watched = WatchedFolder(self.folder, self.out, **options)
        self.queue = Queue()
        self.ledger_path = root / "watched.sqlite3"
        self.now = 1000.0
        self._opened: list[tuple[FolderWatcher, Ledger]] = []
        self.watcher = self.open()

    def open(self) -> FolderWatcher:
        """A watcher as after a start of the daemon."""
        self.close()
        ledger = Ledger(self.ledger_path)
        self.watcher = FolderWatcher([self.watched], self.queue.submit, ledger, clock=lambda: self.now)
        self._opened.append((self.watcher, ledger))
        return self.watcher

    def close(self) -> None:
        while self._opened:
            watcher, ledger = self._opened.pop()
            watcher.stop()
            ledger.close()

    def go_on(self, seconds: float = RESCAN_S + 5.0) -> list[str]:
        """Let time pass, step by step; the names that were submitted meanwhile."""
        before = len(self.queue.paths)
        until = self.now + seconds
        while (due := self.watcher.step()) <= until:
            self.now = max(self.now, due)
        self.now = until
        return self.queue.names()[before:]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.close()


@pytest.fixture
def deep_desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path, recursive=True)
    yield desk
    desk.close()


def test_what_arrived_while_nobody_watched_is_found_at_start(desk: Desk) -> None:
    wav(desk.folder / "a.wav", 1)
    wav(desk.folder / "b.wav", 2)
    (desk.folder / "readme.txt").write_text("words")
    assert desk.go_on(1.0) == []
    assert sorted(desk.go_on(1.0)) == ["a.wav", "b.wav"]
    assert desk.go_on() == []


def test_each_content_is_converted_once_whatever_it_is_called(desk: Desk) -> None:
    wav(desk.folder / "a.wav")
    shutil.copy(desk.folder / "a.wav", desk.folder / "b.wav")
    assert len(desk.go_on()) == 1
    (desk.folder / "a.wav").rename(desk.folder / "c.wav")
    os.utime(desk.folder / "b.wav", (1, 1))
    assert desk.go_on() == []
    desk.open()
    assert desk.go_on() == []


def test_what_is_gone_is_forgotten_but_its_content_stays_known(desk: Desk, tmp_path: Path) -> None:
    for number in range(3):
        wav(desk.folder / f"{number}.wav", number)
    assert len(desk.go_on()) == 3
    (desk.folder / "1.wav").rename(tmp_path / "elsewhere.wav")
    assert desk.go_on() == []
    rows = desk.watcher._ledger._rows("SELECT path FROM files ORDER BY path")
    assert [Path(os.fsdecode(row[0])).name for row in rows] == ["0.wav", "2.wav"]
    (tmp_path / "elsewhere.wav").rename(desk.folder / "back.wav")
    assert desk.go_on() == []


def test_new_content_under_an_old_name_is_converted(desk: Desk) -> None:
    wav(desk.folder / "a.wav", 1)
    assert desk.go_on() == ["a.wav"]
    wav(desk.folder / "a.wav", 2)
    assert desk.go_on() == ["a.wav"]


def test_a_file_is_not_taken_while_it_grows(desk: Desk) -> None:
    content = wav(desk.folder / "whole.wav").read_bytes()
    (desk.folder / "whole.wav").unlink()
    path = desk.folder / "a.wav"
    for end in range(0, len(content), 100):
        with path.open("ab") as file:
            file.write(content[end : end + 100])
        assert desk.go_on(1.0) == []
    assert desk.go_on(PATIENCE_S) == ["a.wav"]


def test_a_copy_that_pauses_before_it_is_whole_is_waited_for(desk: Desk) -> None:
    content = wav(desk.folder / "a.wav").read_bytes()
    (desk.folder / "a.wav").write_bytes(content[:300])
    assert desk.go_on(PATIENCE_S / 2) == []
    (desk.folder / "a.wav").write_bytes(content)
    assert desk.go_on() == ["a.wav"]


def test_a_cut_file_is_taken_in_the_end(desk: Desk) -> None:
    content = wav(desk.folder / "a.wav").read_bytes()
    (desk.folder / "a.wav").write_bytes(content[:300])
    assert desk.go_on(PATIENCE_S - 1.0) == []
    assert desk.go_on(5.0) == ["a.wav"]


def test_a_file_that_changes_while_it_is_read_is_waited_for(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    path = wav(desk.folder / "a.wav", 1)
    read = FolderWatcher._hash

    def read_while_it_changes(watcher: FolderWatcher, recording: Path) -> str:
        found = read(watcher, recording)
        monkeypatch.undo()
        wav(recording, 2)
        return found

    monkeypatch.setattr(FolderWatcher, "_hash", read_while_it_changes)
    assert desk.go_on() == ["a.wav"]
    os.utime(path, (1, 1))
    assert desk.go_on() == []  # what was converted is what is there now


@pytest.mark.parametrize("name", [".a.wav", "a.wav.part", "a.wav.crdownload", "~a.wav", "a.tmp"])
def test_unfinished_and_hidden_files_wait_for_their_real_name(desk: Desk, name: str) -> None:
    wav(desk.folder / name)
    assert desk.go_on() == []
    (desk.folder / name).rename(desk.folder / "a.wav")
    assert desk.go_on() == ["a.wav"]


def test_empty_files_and_folders_are_not_taken(desk: Desk) -> None:
    (desk.folder / "a.wav").touch()
    (desk.folder / "b.wav").mkdir()
    (desk.folder / "sub").mkdir()
    wav(desk.folder / "sub/c.wav")
    assert desk.go_on() == []
    assert sorted(path.name for path in desk.folder.iterdir()) == ["a.wav", "b.wav", "sub"]


@pytest.mark.skipif(os.name == "nt", reason="links need permission there")
def test_links_are_taken_once_their_file_is_there(desk: Desk, tmp_path: Path) -> None:
    (desk.folder / "a.wav").symlink_to(tmp_path / "later.wav")
    (desk.folder / "circle.wav").symlink_to(desk.folder / "circle.wav")
    os.mkfifo(desk.folder / "pipe.wav")
    assert desk.go_on() == []
    wav(tmp_path / "later.wav", 1)
    wav(tmp_path / "hard.wav", 2)
    os.link(tmp_path / "hard.wav", desk.folder / "b.wav")
    assert sorted(desk.go_on()) == ["a.wav", "b.wav"]


def test_sub_folders_are_searched_where_wanted(deep_desk: Desk) -> None:
    (deep_desk.folder / "x/y").mkdir(parents=True)
    (deep_desk.folder / "x/.z").mkdir()
    wav(deep_desk.folder / "x/y/a.wav", 1)
    wav(deep_desk.folder / "x/.z/b.wav", 2)
    assert deep_desk.go_on() == ["a.wav"]


def test_results_in_the_watched_folder_are_no_recordings(tmp_path: Path) -> None:
    desk = Desk(tmp_path, recursive=True)
    desk.watched = WatchedFolder(desk.folder, desk.folder, recursive=True)
    desk.open()
    wav(desk.folder / "song.wav", 1)
    assert desk.go_on() == ["song.wav"]
    for stems in (".stembridge-1-ab/new/stems", "song/stems"):
        (desk.folder / stems).mkdir(parents=True)
        wav(desk.folder / stems / "bass.wav", 2)
    (desk.folder / "song/manifest.json").write_text('{\n  "schema": 1,\n  "stembridge": "1"}')
    assert desk.go_on() == []
    desk.close()


def test_what_is_no_audio_gets_a_note_if_it_is_called_so(desk: Desk) -> None:
    (desk.folder / "a.wav").write_text("no audio")
    (desk.folder / "b.pdf").write_text("no audio")
    assert desk.go_on() == []
    assert [path.name for path in desk.folder.glob("*.txt")] == ["a.wav.stembridge-error.txt"]
    wav(desk.folder / "a.wav")
    assert desk.go_on() == ["a.wav"]
    desk.watcher.ended("job-1", ok=True)
    desk.go_on(1.0)
    assert not list(desk.folder.glob("*.txt"))


def test_a_failure_is_noted_and_tried_again_when_the_file_changes(desk: Desk) -> None:
    path = wav(desk.folder / "a.wav")
    assert desk.go_on() == ["a.wav"]
    desk.watcher.ended("job-1", ok=False, error_text="the audio is damaged: export it again")
    assert desk.go_on() == []
    assert "the audio is damaged: export it again" in note_for(path).read_text()
    desk.open()
    assert desk.go_on() == []
    os.utime(path, (2_000_000_000, 2_000_000_000))
    assert desk.go_on() == ["a.wav"]
    desk.watcher.ended("job-2", ok=True)
    desk.go_on(1.0)
    assert not note_for(path).exists()


def test_a_failure_that_may_pass_is_tried_again_after_its_time_and_the_note_says_so(desk: Desk) -> None:
    path = wav(desk.folder / "a.wav")
    assert desk.go_on() == ["a.wav"]
    desk.watcher.ended("job-1", ok=False, error_text="the disk is full", again_s=300.0)
    assert desk.go_on(200.0) == []
    assert "It tries again by itself in 5 minutes, when Stembridge is started, and when" in note_for(path).read_text()
    assert desk.go_on(200.0) == ["a.wav"]
    desk.watcher.ended("job-2", ok=True)
    desk.go_on(1.0)
    assert not note_for(path).exists()


def test_whoever_asks_is_told_of_recordings_that_are_refused(desk: Desk) -> None:
    told: list[tuple[Path, str]] = []
    desk.watcher._refused = lambda path, reason: told.append((path, reason))
    (desk.folder / "a.wav").write_text("no audio")
    desk.queue.refusal = InvalidRequest("its name is too long")
    wav(desk.folder / "b.wav")
    desk.go_on()
    assert {(path.name, reason.partition(",")[0]) for path, reason in told} == {
        ("a.wav", "It is not audio"),
        ("b.wav", "its name is too long"),
    }


def test_a_failed_recording_that_is_gone_gets_no_note(desk: Desk) -> None:
    path = wav(desk.folder / "a.wav")
    desk.go_on()
    path.unlink()
    desk.watcher.ended("job-1", ok=False, error_text="no")
    desk.go_on(1.0)
    assert list(desk.folder.iterdir()) == []


def test_a_refused_recording_gets_a_note_and_is_not_asked_for_again(desk: Desk) -> None:
    path = wav(desk.folder / "a.wav")
    desk.queue.refusal = InvalidRequest("the recording makes no sense")
    desk.go_on()
    assert "the recording makes no sense" in note_for(path).read_text()
    desk.queue.refusal = None
    assert desk.go_on() == []
    os.utime(path, (2_000_000_000, 2_000_000_000))
    assert desk.go_on() == ["a.wav"]


def test_a_full_queue_is_asked_again_and_nothing_is_lost(desk: Desk) -> None:
    for number in range(100):
        wav(desk.folder / f"{number}.wav", number)
    desk.queue.refusal = BridgeError("the queue is full")
    assert desk.go_on(10.0) == []
    desk.queue.refusal = None
    assert len(set(desk.go_on(RETRY_S))) == 100
    assert not list(desk.folder.glob("*.txt"))


def test_a_ledger_that_is_locked_for_a_while_loses_nothing(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    wav(desk.folder / "a.wav")
    desk.go_on(1.0)
    desk.watcher._ledger._rows("PRAGMA busy_timeout = 0")
    with sqlite3.connect(desk.ledger_path) as other:
        other.execute("BEGIN EXCLUSIVE")
        desk.now += SETTLE_S
        desk.watcher.step()
        assert desk.watcher._ledger.open_jobs() == []
    other.close()
    assert len(desk.go_on(2 * RETRY_S)) >= 1
    assert len(desk.watcher._ledger.open_jobs()) == 1


def test_a_daemon_that_was_killed_knows_its_open_jobs(desk: Desk) -> None:
    wav(desk.folder / "a.wav", 1)
    wav(desk.folder / "b.wav", 2)
    desk.go_on()
    desk.watcher.ended("job-1", ok=True)
    desk.go_on(1.0)
    desk.open()
    ledger = desk.watcher._ledger
    assert ledger.open_jobs() == ["job-2"]
    ledger.forget_job("job-2")
    assert len(desk.go_on()) == 1


def test_a_folder_that_is_not_there_yet_is_watched_when_it_comes_and_comes_back(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.folder.rmdir()
    assert desk.go_on(HEALTH_S) == []
    assert caplog.text.count("cannot be watched") == 1
    desk.folder.mkdir()
    wav(desk.folder / "a.wav", 1)
    assert desk.go_on(2 * HEALTH_S) == ["a.wav"]
    shutil.rmtree(desk.folder)
    desk.go_on(HEALTH_S)
    assert caplog.text.count("cannot be watched") == 2
    desk.folder.mkdir()
    wav(desk.folder / "b.wav", 2)
    assert desk.go_on(2 * HEALTH_S) == ["b.wav"]


@pytest.mark.skipif(not HAS_PERMISSIONS, reason="whoever runs this may read everything")
def test_a_file_that_may_not_be_read_is_noted_and_taken_when_it_may(desk: Desk) -> None:
    path = wav(desk.folder / "a.wav")
    path.chmod(0)
    assert desk.go_on() == []
    assert "permission" in note_for(path).read_text().lower()
    path.chmod(0o600)
    assert desk.go_on() == ["a.wav"]


def test_each_folder_has_its_own_output_and_options(tmp_path: Path) -> None:
    folders = []
    for name, bpm in (("one", 100.0), ("two", 120.0)):
        (tmp_path / name).mkdir()
        wav(tmp_path / name / "a.wav")
        folders.append(WatchedFolder(tmp_path / name, tmp_path / "out" / name, options=Options(bpm=bpm)))
    queue, ledger, now = Queue(), Ledger(tmp_path / "watched.sqlite3"), [0.0]
    watcher = FolderWatcher(folders, queue.submit, ledger, clock=lambda: now[0])
    watcher.step()
    now[0] += SETTLE_S
    watcher.step()
    watcher.stop()
    ledger.close()
    specs = [folder.spec_for(path) for folder, path in zip(queue.folders, queue.paths, strict=True)]
    assert [(Path(spec.out_dir).name, spec.options.bpm) for spec in specs] == [("one", 100.0), ("two", 120.0)]


@pytest.mark.skipif(sys.platform != "linux", reason="/proc counts handles")
def test_an_idle_hour_takes_a_few_hundred_looks_and_no_more_handles(desk: Desk) -> None:
    wav(desk.folder / "a.wav")
    assert desk.go_on() == ["a.wav"]
    handles, began_s = len(list(Path("/proc/self/fd").iterdir())), time.process_time()
    assert desk.go_on(3600.0) == []
    assert time.process_time() - began_s < 3.6, "a thousandth of a core"
    assert len(list(Path("/proc/self/fd").iterdir())) == handles


# With the system's observers and the thread, and the time of the clock.


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[Callable[..., tuple[Path, Queue]]]:
    opened: list[tuple[FolderWatcher, Ledger]] = []

    def begin(**options: bool) -> tuple[Path, Queue]:
        folder, queue = tmp_path / "in", Queue()
        folder.mkdir()
        ready = wav(folder / "ready.wav", 9999)
        ledger = Ledger(tmp_path / "watched.sqlite3")
        watched = WatchedFolder(folder, tmp_path / "out", **options)
        watcher = FolderWatcher([watched], queue.submit, ledger, settle_s=0.1, patience_s=0.5, retry_s=0.2)
        opened.append((watcher, ledger))
        queue.ended = watcher.ended
        watcher.start()
        queue.wait_for(1)  # it watches by now: only events tell of what comes next
        assert queue.paths == [ready]
        return folder, queue

    yield begin
    for watcher, ledger in opened:
        watcher.stop()
        assert not watcher._thread.is_alive()
        ledger.close()
    assert not [thread for thread in threading.enumerate() if "watched-folders" in thread.name]


def test_a_hundred_files_at_once_are_all_taken_once(watching: Callable[..., tuple[Path, Queue]]) -> None:
    folder, queue = watching()
    for number in range(100):
        wav(folder / f"{number:03}.wav", number)
    queue.wait_for(101)
    assert sorted(queue.names()[1:]) == [f"{number:03}.wav" for number in range(100)]


def test_moved_renamed_linked_and_copied_files_are_taken(
    watching: Callable[..., tuple[Path, Queue]], tmp_path: Path
) -> None:
    folder, queue = watching()
    wav(tmp_path / "moved.wav", 1).rename(folder / "moved.wav")
    wav(folder / "renamed.wav.part", 2).rename(folder / "renamed.wav")
    os.link(wav(tmp_path / "hard.wav", 3), folder / "hard.wav")
    (folder / "soft.wav").symlink_to(wav(tmp_path / "soft.wav", 4))
    shutil.copy(wav(tmp_path / "copied.wav", 5), folder / "copied.wav")
    queue.wait_for(6)
    assert sorted(queue.names()[1:]) == ["copied.wav", "hard.wav", "moved.wav", "renamed.wav", "soft.wav"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EMFILE])
def test_where_the_system_watches_no_more_folders_they_are_read_again_and_again(
    watching: Callable[..., tuple[Path, Queue]], number: int, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    class Exhausted(Observer):  # type: ignore[misc, valid-type]  # which one it is depends on the system
        def start(self) -> None:
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr("watchdog.observers.Observer", Exhausted)
    monkeypatch.setattr("bridge.inputs.observe.POLL_S", 0.05)
    folder, queue = watching()
    assert "is read every 0.05 s instead" in caplog.text
    wav(folder / "a.wav", 1)
    queue.wait_for(2)


def test_a_folder_that_is_moved_in_is_searched(watching: Callable[..., tuple[Path, Queue]], tmp_path: Path) -> None:
    folder, queue = watching(recursive=True)
    (tmp_path / "album/cd 1").mkdir(parents=True)
    wav(tmp_path / "album/cd 1/a.wav", 1)
    (tmp_path / "album").rename(folder / "album")
    queue.wait_for(2)
    wav(folder / "album/cd 1/b.wav", 2)
    queue.wait_for(3)
    assert queue.names()[1:] == ["a.wav", "b.wav"]


def test_a_file_that_is_copied_slowly_and_renamed_meanwhile_is_taken_once(
    watching: Callable[..., tuple[Path, Queue]], tmp_path: Path
) -> None:
    folder, queue = watching()
    content = wav(tmp_path / "a.wav", 1).read_bytes()
    with (folder / "a.wav").open("wb", buffering=0) as file:
        for start in range(0, len(content), 40):
            file.write(content[start : start + 40])
            if start == 400:
                (folder / "a.wav").rename(folder / "b.wav")
            threading.Event().wait(0.01)
    queue.wait_for(2)
    wav(folder / "last.wav", 2)
    queue.wait_for(3)
    assert queue.names()[1:] == ["b.wav", "last.wav"]


@pytest.mark.parametrize("leave", [Path.unlink, lambda path: path.rename(path.parent.parent / path.name)])
def test_a_note_goes_with_its_recording(
    watching: Callable[..., tuple[Path, Queue]], leave: Callable[[Path], object]
) -> None:
    folder, queue = watching()
    note = note_for(folder / "ready.wav")
    queue.ended("job-1", False, "it is damaged")
    wait_until(note.exists)
    leave(folder / "ready.wav")
    wait_until(lambda: not note.exists())


def test_a_failed_recording_that_is_renamed_is_tried_again_and_its_note_goes(
    watching: Callable[..., tuple[Path, Queue]],
) -> None:
    folder, queue = watching()
    queue.ended("job-1", False, "it is damaged")
    wait_until(note_for(folder / "ready.wav").exists)
    (folder / "ready.wav").rename(folder / "better.wav")
    queue.wait_for(2)
    assert queue.names() == ["ready.wav", "better.wav"]
    wait_until(lambda: not note_for(folder / "ready.wav").exists())


def wait_until(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + 20.0
    while not is_so():
        assert time.monotonic() < until
        threading.Event().wait(0.01)


def test_a_network_drive_is_read_again_and_again(
    watching: Callable[..., tuple[Path, Queue]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.inputs.observe.POLL_S", 0.05)
    folder, queue = watching(polling=True)
    wav(folder / "a.wav", 1)
    queue.wait_for(2)
    assert queue.names()[1:] == ["a.wav"]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_an_idle_watcher_uses_no_processor_and_no_more_handles(watching: Callable[..., tuple[Path, Queue]]) -> None:
    watching()
    handles = len(list(Path("/proc/self/fd").iterdir()))
    before = time.process_time()
    threading.Event().wait(1.0)
    assert time.process_time() - before < 0.1
    assert len(list(Path("/proc/self/fd").iterdir())) <= handles
