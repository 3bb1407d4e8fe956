"""The jobs that haven't ended, in memory and on disk: the one place where a job changes.

A change happens in three steps, one change at a time: it is on disk, then it is what `Ledger.get` gives, then listeners
are told, by a thread of their own and in the order of the changes.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Any

import msgspec

from bridge.errors import BridgeError, InvalidRequest
from bridge.jobs.follow import Ending
from bridge.jobs.listeners import Listeners
from bridge.jobs.model import EventKind, Job, JobEvent, Origin
from bridge.jobs.news import Found
from bridge.jobs.refusals import StoreLocked, StoreUnwritable
from bridge.jobs.store import JobStore

_log = logging.getLogger(__name__)

#: A job that was started so often and never ended is what brings the daemon, or the machine, down. That it was running
#: when the daemon was killed says little about it, since it has a process of its own: of the kills of a day, and of the
#: power cuts of a bad week, none may cost a job.
MAX_STARTS = 100

#: Refusals of the disk that may well be gone the next time.
NOT_NOW = (StoreLocked, StoreUnwritable)


class Ledger:
    """Jobs and their changes. All methods may be called from any thread.

    Parameters
    ----------
    store
        Where jobs are kept.
    clock
        The time of day, in seconds since 1970.

    Attributes
    ----------
    changed
        Notified of every change; its lock guards data only and is never held during a call to the disk or a listener.
    active
        All jobs that haven't ended, by id, in the order in which they were accepted; to be read with `changed` held.
    """

    def __init__(self, store: JobStore, clock: Callable[[], float]) -> None:
        self.changed = threading.Condition()
        self.active: dict[str, Job] = {}
        self.listeners = Listeners()
        self._store = store
        self._clock = clock
        self._changing = threading.Lock()  # one change at a time; always taken before `changed`
        self._taking_up = threading.Lock()
        self._is_read = self._is_taken_up = False
        self._generation = store.generation
        with contextlib.suppress(*NOT_NOW):  # then `take_up` reads it, or the first change
            self._read_once()

    def take_up(self) -> None:
        """Have what was running when an earlier process died start again; once, however often it is called.

        Raises
        ------
        StoreLocked, StoreUnwritable
            If that can't be done now. Until it is, nothing may be started.
        """
        with self._taking_up:
            if self._is_taken_up:
                return
            with self._changing:
                self._read_once()
            with self.changed:
                interrupted = [job.id for job in self.active.values() if job.state == "running"]
            for job_id in interrupted:
                self.put_back(job_id)
            self._is_taken_up = True

    def _read_once(self) -> None:
        """Read the jobs that haven't ended, unless that was done."""
        if not self._is_read:
            jobs = {job.id: job for job in self._store.unfinished()}
            with self.changed:
                self.active.update(jobs)
                self._is_read = True

    def get(self, job_id: str) -> Job | None:
        """The job of that id as it is now, or None where there is none, or no longer."""
        with self.changed:
            job = self.active.get(job_id)
        return job or self._store.get(job_id)

    def recent(self, limit: int, origin: Origin | None = None) -> list[Job]:
        """The last `limit` jobs that were accepted, newest first; of one origin, where that is given."""
        kept = self._store.recent(limit, origin)
        with self.changed:
            return [self.active.get(job.id, job) for job in kept]

    def accept(self, new: Job, check: Callable[[], None]) -> Job:
        """Keep a new job, or give the one that has its id already.

        Parameters
        ----------
        new
            The job.
        check
            Called first where the job is new; raises where there is no room for it.

        Raises
        ------
        InvalidRequest
            If the id is that of a job with another spec.
        """
        with self._changing:
            self._read_once()
            job = self.get(new.id)
            if job is None:
                check()
                job = self._store.add(new)
                if job is new:
                    self._show(job, "accepted")
                self._rescue()
        if job.spec != new.spec:
            raise InvalidRequest(f"there is another job with the id {new.id}; choose a new id")
        return job

    def change(self, job_id: str, kind: EventKind, **fields: Any) -> Job | None:
        """Change a job on disk, then here; None, and nothing happens, where it has ended.

        Raises
        ------
        StoreLocked, StoreUnwritable
            If that can't be kept; nothing has changed then.
        """
        with self._changing:
            self._read_once()
            with self.changed:
                job = self.active.get(job_id)
            if job is None:
                return None
            changed = msgspec.structs.replace(job, **fields)
            if not self._store.save(changed):
                _log.error("job %s has been ended by another process", job_id)
                with self.changed:
                    self.active.pop(job_id, None)
                return None
            self._show(changed, kind)
            self._rescue()
        return changed

    def end(self, job_id: str, ending: Ending) -> Job | None:
        """End a job; None where it has ended already."""
        return self.change(
            job_id,
            "ended",
            state=ending.state,
            result=ending.result,
            insert=ending.insert,
            error_code=ending.error_code,
            error_text=ending.error_text,
            ended_s=self._clock(),
        )

    def put_back(self, job_id: str, *, uncounted: bool = False) -> None:
        """Have an interrupted job start again, unless that happened too often.

        Parameters
        ----------
        job_id
            Of the job; nothing happens where it has ended.
        uncounted
            The interruption was intended, and says nothing about the job.
        """
        with self.changed:
            job = self.active.get(job_id)
        if job is None:
            return
        attempts = job.attempts - 1 if uncounted else job.attempts
        if attempts >= MAX_STARTS:
            self.give_up(job_id)
        else:
            self.change(job_id, "progress", state="queued", stage="", fraction=0.0, attempts=attempts)

    def give_up(self, job_id: str) -> None:
        """End a job that was interrupted too often."""
        with self.changed:
            job = self.active.get(job_id)
        if job is not None:
            text = f"it was started {job.attempts} times and interrupted each time; nothing was written"
            self.end(job_id, Ending("failed", error_code="crashed", error_text=text))

    def advance(self, job_id: str, stage: str, fraction: float) -> None:
        """Show how far a job is, without telling the disk."""
        with self.changed:
            job = self.active.get(job_id)
            if job is not None:
                job = msgspec.structs.replace(job, stage=stage, fraction=fraction)
                self.active[job_id] = job
                self.listeners.tell(JobEvent(job, "progress"))

    def show_found(self, job_id: str, found: Found) -> None:
        """Show what notes a job's worker found; they are kept nowhere. Nothing is shown of a job that has ended."""
        with self.changed:
            job = self.active.get(job_id)
            if job is not None:
                self.listeners.tell(JobEvent(job, "found", found))

    def keep_progress(self, job_id: str) -> None:
        """Write how far a job is to disk; where that can't be done now, it can be done later."""
        with self._changing:
            with self.changed:
                job = self.active.get(job_id)
            if job is None:
                return
            try:
                self._store.save(job)
                self._rescue()
            except BridgeError as error:
                _log.debug("the progress of job %s can't be kept yet: %s", job_id, error)

    def _show(self, job: Job, kind: EventKind) -> None:
        with self.changed:
            if job.ended:
                self.active.pop(job.id, None)
            else:
                self.active[job.id] = job
            self.listeners.tell(JobEvent(job, kind))
            self.changed.notify_all()

    def _rescue(self) -> None:
        """Where the database was begun anew, keep again what hasn't ended; what fails is tried after the next change.

        It never raises: the change that it follows is done.
        """
        generation = self._store.generation
        if generation == self._generation:
            return
        with self.changed:
            jobs = list(self.active.values())
        try:
            for job in jobs:
                self._store.save(job)
        except BridgeError as error:
            _log.warning("%d jobs can't be kept in the new database yet: %s", len(jobs), error)
        else:
            self._generation = generation
