"""Watched folders and the queue: recordings become jobs, and their ends come back."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

from bridge.config import Settings
from bridge.errors import InvalidRequest, OutputUnwritable
from bridge.inputs.ledger import Ledger
from bridge.inputs.places import WatchedFolder
from bridge.inputs.watch import FolderWatcher
from bridge.jobs.model import Job, JobEvent
from bridge.jobs.queue import JobQueue

#: How long the watcher may take to stop; it looks whether to stop after each megabyte that it reads.
STOP_S = 1.0


def folders_of(settings: Settings) -> list[WatchedFolder]:
    """The folders to watch, as the settings have them."""
    results = settings.results_folder.absolute()
    return [
        WatchedFolder(
            folder=it.path.absolute(),
            out=Path(it.out).expanduser().absolute() if it.out else results,
            recursive=it.recursive,
            polling=it.polling,
            options=it.options,
        )
        for it in settings.watch
    ]


class Intake:
    """Watches folders as long as it is entered, and puts what is in them into the queue.

    Parameters
    ----------
    folders
        What to watch; with none there is nothing to do.
    queue
        Where jobs go. Whoever makes this has `on_event` told of its events.
    ledger
        The database of what was converted before; made where missing.

    Raises
    ------
    OutputUnwritable
        If that database can't be used.
    """

    def __init__(self, folders: Sequence[WatchedFolder], queue: JobQueue, ledger: Path) -> None:
        self._queue = queue
        self._watcher: FolderWatcher | None = None
        if folders:
            self._ledger = _opened(ledger)
            self._watcher = FolderWatcher(folders, self._submit, self._ledger)

    def __enter__(self) -> Self:
        if self._watcher is not None:
            for job_id in self._ledger.open_jobs():
                self._catch_up(job_id)
            self._watcher.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._watcher is not None:
            self._watcher.stop(STOP_S)
            self._ledger.close()

    def on_event(self, event: JobEvent) -> None:
        """The queue's listener."""
        if event.kind == "ended":
            self._tell_end(event.job)

    def _catch_up(self, job_id: str) -> None:
        """Learn of a job what happened to it while nobody watched."""
        job = self._queue.get(job_id)
        if job is None:
            self._ledger.forget_job(job_id)
        elif job.ended:
            self._tell_end(job)

    def _tell_end(self, job: Job) -> None:
        if self._watcher is not None:
            self._watcher.ended(job.id, job.state == "done", job.error_text)

    def _submit(self, folder: WatchedFolder, recording: Path) -> str:
        """Put a recording into the queue; gives the job's id.

        The id follows from the file as it is, so that one whose handing over was cut short isn't converted twice.
        """
        try:
            spec = folder.spec_for(recording)
        except ValueError as error:
            raise InvalidRequest(f"it can't be converted: {error}") from error
        state = recording.stat()
        facts = f"{spec.out_dir}\0{spec.source}\0{state.st_size}\0{state.st_mtime_ns}"
        root = hashlib.blake2b(os.fsencode(facts), digest_size=8).hexdigest()
        for number in count():
            job_id = f"watch-{root}" + (f"-{number}" if number else "")
            known = self._queue.get(job_id)
            if known is None or (known.spec == spec and not known.ended):
                return self._queue.submit(job_id, "watch", spec).id
        raise AssertionError("count never ends")


def _opened(path: Path) -> Ledger:
    try:
        return Ledger(path)
    except (OSError, sqlite3.Error) as error:
        raise OutputUnwritable(
            f"cannot use {path} ({error}): close other programs that use it, and make it writable for you"
        ) from error
