"""Watched folders and the queue: recordings become jobs, and their ends come back."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

from bridge.config import Settings
from bridge.disk import printable
from bridge.errors import InvalidRequest
from bridge.inputs.ledger import Ledger
from bridge.inputs.places import WatchedFolder
from bridge.inputs.watch import FolderWatcher
from bridge.jobs.model import Job, JobEvent
from bridge.jobs.queue import JobQueue

_PREFIX = "watch-"
#: How long the watcher may take to stop; it looks whether to stop after each megabyte that it reads.
STOP_S = 1.0
#: Codes of failures that aren't the recording's fault and may pass: a full or missing disk, missing weights, memory
#: that ran out, a machine that died.
PASSING = frozenset(
    ("output-unwritable", "disk-full", "engine-missing", "engine-failed", "engine-crashed", "hung", "crashed")
)
#: How long after such a failure a recording is tried again: the first time, the second and so on. After the last it is
#: tried at the next start only.
AGAIN_S = (60.0, 300.0, 1800.0, 7200.0, 28_800.0)


def folders_of(settings: Settings) -> list[WatchedFolder]:
    """The folders to watch, as the settings have them.

    Where several have no output folder of their own, each gets one in the folder for results, called as it is: two
    recordings of one name, from two folders, must not take each other's place.

    Raises
    ------
    InvalidRequest
        If two have the same output folder.
    """
    results = settings.results_folder.absolute()
    sharing = [it.path.absolute() for it in settings.watch if not it.out]
    folders = []
    for it in settings.watch:
        folder = it.path.absolute()
        is_shared = not it.out and len(sharing) > 1
        own = results / _name_among(folder, sharing) if is_shared else results
        folders.append(
            WatchedFolder(
                folder=folder,
                out=(it.out_path or own).absolute(),
                recursive=it.recursive,
                polling=it.polling,
                options=it.options,
                shared_out=results if is_shared else None,
            )
        )
    for out, times in Counter(folder.out for folder in folders).items():
        if times > 1:
            raise InvalidRequest(f"{times} watched folders have the output folder {out}: give each its own with out")
    return folders


def _name_among(folder: Path, others: Sequence[Path]) -> str:
    """A folder's name; with something of its path where another one has it too, in letters of whatever case."""
    name = folder.name or "folder"
    if sum(other.name.lower() == folder.name.lower() for other in others) == 1:
        return name
    return f"{name} {hashlib.blake2b(os.fsencode(folder), digest_size=4).hexdigest()}"


def _number_of(job_id: str) -> int:
    """How many jobs for the same file as it is came before."""
    _, _, number = job_id.removeprefix(_PREFIX).partition("-")
    return int(number) if number.isdecimal() else 0


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
    say
        Tells the user a line.

    Raises
    ------
    StoreUnusable
        If that database can't be used, and not because it is locked just now.
    """

    def __init__(
        self,
        folders: Sequence[WatchedFolder],
        queue: JobQueue,
        ledger: Path,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._queue = queue
        self._say = say
        self._watcher: FolderWatcher | None = None
        if folders:
            self._ledger = Ledger(ledger)
            self._watcher = FolderWatcher(
                folders, self._submit, self._ledger, catch_up=self._catch_up, refused=self._tell_refusal
            )

    def __enter__(self) -> Self:
        if self._watcher is not None:
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

    @property
    def problems(self) -> list[str]:
        """What went wrong with the database, a sentence each."""
        return [] if self._watcher is None else self._ledger.problems

    def _catch_up(self) -> None:
        """Learn what happened to jobs while nobody watched."""
        for job_id in self._ledger.open_jobs():
            job = self._queue.get(job_id)
            if job is None:
                self._ledger.forget_job(job_id)
            elif job.ended:
                self._tell_end(job)
        for job_id in self._ledger.failed_jobs():
            job = self._queue.get(job_id)
            if job is not None and job.error_code in PASSING:
                self._ledger.forget_job(job_id)

    def _tell_end(self, job: Job) -> None:
        if self._watcher is not None:
            tried = _number_of(job.id)
            passes = job.error_code in PASSING and tried < len(AGAIN_S)
            again_s = AGAIN_S[tried] if passes else None
            self._watcher.ended(job.id, job.state == "done", job.error_text, again_s)

    def _tell_refusal(self, recording: Path, reason: str) -> None:
        self._say(f"Could not convert {printable(recording.name)}: {printable(reason)}")

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
            job_id = f"{_PREFIX}{root}" + (f"-{number}" if number else "")
            known = self._queue.get(job_id)
            if known is None or (known.spec == spec and not known.ended):
                return self._queue.submit(job_id, "watch", spec).id
        raise AssertionError("count never ends")
