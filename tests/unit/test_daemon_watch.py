"""Watched folders and the queue: which jobs are made, and what was missed while nobody watched."""

import sqlite3
from pathlib import Path

import pytest

from bridge.config import Settings, WatchedFolder
from bridge.daemon_watch import Intake, folders_of
from bridge.errors import OutputUnwritable
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


def test_a_database_that_is_held_by_another_program_is_one_clear_line(folder, tmp_path, monkeypatch) -> None:
    def held(path: Path) -> Ledger:
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr("bridge.daemon_watch.Ledger", held)
    with pytest.raises(OutputUnwritable, match="database is locked"):
        intake(folder, MemoryQueue(), tmp_path)
