"""Watched folders and the queue: which jobs are made, and what was missed while nobody watched."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bridge.config import Settings, WatchedFolder
from bridge.daemon_watch import AGAIN_S, Intake, _number_of, folders_of
from bridge.errors import InvalidRequest
from bridge.inputs.ledger import Ledger
from bridge.inputs.notes import note_for
from bridge.jobs.model import Options
from tests.integration.daemon_support import until
from tests.integration.osc_support import MemoryQueue


@pytest.fixture
def recording(tmp_path) -> Path:
    path = tmp_path / "in" / "take.wav"
    path.parent.mkdir()
    path.write_bytes(b"RIFF\0\0\0\0WAVE and what follows")
    return path


@pytest.fixture
def folder(tmp_path, recording):
    settings = Settings(out_dir=str(tmp_path / "out"), watch=(WatchedFolder(str(recording.parent)),))
    [only] = folders_of(settings)
    return only


def intake(folder, queue: MemoryQueue, tmp_path: Path) -> Intake:
    return Intake([folder], queue, tmp_path / "watched.sqlite3")


def test_folders_are_as_the_settings_have_them(tmp_path) -> None:
    watched = WatchedFolder(str(tmp_path), out=str(tmp_path / "own"), recursive=True, options=Options(stems=False))
    settings = Settings(out_dir=str(tmp_path / "out"), watch=(WatchedFolder(str(tmp_path)), watched))
    plain, special = folders_of(settings)
    assert (plain.out, plain.recursive, plain.options.stems) == (tmp_path / "out", False, True)
    assert (special.out, special.recursive, special.options.stems) == (tmp_path / "own", True, False)


def test_a_file_that_was_handed_over_before_a_crash_is_not_handed_over_again(folder, recording, tmp_path) -> None:
    queue = MemoryQueue()
    first = intake(folder, queue, tmp_path)._submit(folder, recording)
    assert intake(folder, queue, tmp_path)._submit(folder, recording) == first
    assert queue.submissions == [first]
    queue.move(first, "ended", state="failed", error_text="broken")
    assert intake(folder, queue, tmp_path)._submit(folder, recording) != first, "asked again, it is a new job"


def test_a_changed_file_is_a_job_of_its_own(folder, recording, tmp_path) -> None:
    queue = MemoryQueue()
    first = intake(folder, queue, tmp_path)._submit(folder, recording)
    recording.write_bytes(recording.read_bytes() * 2)
    assert intake(folder, queue, tmp_path)._submit(folder, recording) != first


def test_an_end_that_nobody_watched_is_made_up_for(folder, recording, tmp_path) -> None:
    queue = MemoryQueue()
    watching = intake(folder, queue, tmp_path)
    job_id = watching._submit(folder, recording)
    ledger = Ledger(tmp_path / "watched.sqlite3")
    ledger.submitted("scope", "0" * 64, job_id, recording)
    queue.move(job_id, "ended", state="failed", error_text="it is too short")
    with watching:
        note = until(lambda: note_for(recording) if note_for(recording).exists() else None, "the note")
    assert "it is too short" in note.read_text()
    assert ledger.open_jobs() == []
    ledger.close()


def test_a_database_that_is_locked_at_the_start_is_said_and_waited_for(folder, recording, tmp_path) -> None:
    Ledger(tmp_path / "watched.sqlite3").close()
    queue = MemoryQueue()
    with closing(sqlite3.connect(tmp_path / "watched.sqlite3", isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        watching = intake(folder, queue, tmp_path)
        watching._watcher._retry_s = 0.05
        assert "another program holds" in watching.problems[0]
        with watching:
            other.close()
            queue.wait(1)


def test_folders_that_share_the_results_folder_get_folders_of_their_own_in_it(tmp_path) -> None:
    places = [tmp_path / "a" / "Takes", tmp_path / "b" / "takes", tmp_path / "Loops"]
    settings = Settings(out_dir=str(tmp_path / "out"), watch=tuple(WatchedFolder(str(place)) for place in places))
    outs = [it.out for it in folders_of(settings)]
    assert outs[2] == tmp_path / "out" / "Loops"
    assert [out.name[:5] for out in outs[:2]] == ["Takes", "takes"]
    assert len({out.name.lower() for out in outs}) == 3
    assert {it.scope for it in folders_of(settings)} == {str(tmp_path / "out")}, "a further folder makes nothing anew"
    alone = Settings(out_dir=str(tmp_path / "out"), watch=(WatchedFolder(str(places[2])),))
    assert [(it.out, it.scope) for it in folders_of(alone)] == [(tmp_path / "out", str(tmp_path / "out"))]


def test_one_output_folder_for_two_watched_folders_is_refused(tmp_path) -> None:
    own = str(tmp_path / "own")
    settings = Settings(watch=tuple(WatchedFolder(str(tmp_path / name), out=own) for name in "ab"))
    with pytest.raises(InvalidRequest, match="give each its own"):
        folders_of(settings)


@pytest.mark.parametrize("code, jobs", [("output-unwritable", 2), ("audio-unreadable", 1)])
def test_at_the_start_what_failed_for_a_reason_that_may_have_passed_is_tried_again(
    folder, recording, tmp_path, code, jobs
) -> None:
    queue = MemoryQueue()
    with intake(folder, queue, tmp_path) as watching:
        [job_id] = queue.wait(1)
        queue.subscribe(watching.on_event)
        queue.move(job_id, "ended", state="failed", error_code=code, error_text="no")
        note = note_for(recording)
        until(note.exists, "the note")
        assert ("by itself in 1 minute" in note.read_text()) == (code == "output-unwritable")
    with intake(folder, queue, tmp_path):
        other = recording.with_name("other.wav")
        other.write_bytes(recording.read_bytes() + b"another content")
        queue.wait(jobs + 1)
    assert sum(queue.get(it).spec.source == str(recording) for it in queue.submissions) == jobs


def test_tries_become_rarer_and_end() -> None:
    assert list(AGAIN_S) == sorted(AGAIN_S)
    assert [_number_of(job_id) for job_id in ("watch-00ff", "watch-00ff-1", "watch-00ff-12")] == [0, 1, 12]


def test_the_user_is_told_of_a_recording_that_is_none(folder, recording, tmp_path) -> None:
    said: list[str] = []
    recording.write_text("no audio")
    with Intake([folder], MemoryQueue(), tmp_path / "watched.sqlite3", said.append):
        until(lambda: said, "the line")
    assert len(said) == 1
    assert said[0].startswith("Could not convert take.wav: It is not audio, whatever its name says.")
