"""The queue: which job goes next, and what becomes of it. Every job that was accepted ends exactly once.

A change of a job happens in three steps, one change at a time: it is on disk, then it is what `JobQueue.get` gives, then
listeners are told, by a thread of their own and in the order of the changes. No lock is held while a worker or a
listener is at work.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

import msgspec

from bridge.errors import BridgeError, InvalidRequest
from bridge.jobs.follow import Ending, Interruption, follow
from bridge.jobs.listeners import Listener, Listeners
from bridge.jobs.model import MAX_ID_LENGTH, PRIORITY, EventKind, Job, JobEvent, JobSpec, Origin, spec_from_json
from bridge.jobs.model import spec_to_json
from bridge.jobs.refusals import QueueFull, QueueStopped, UnknownJob
from bridge.jobs.store import JobStore
from bridge.jobs.worker import StartWorker, Worker, start_worker

#: A job that was started so often and never ended is what brings the daemon, or the machine, down.
MAX_ATTEMPTS = 3
#: How often the progress of a running job is written to disk, for those who look from another process.
PROGRESS_KEPT_EVERY_S = 5.0
#: How long to wait before the disk is tried again.
RETRY_S = 1.0
#: How long a worker that is asked to end may tidy up before it is killed.
GRACE_S = 3.0

_log = logging.getLogger(__name__)


class JobQueue:
    """Takes jobs, keeps them, and has worker processes do them: best priority first, then first come, first served.

    Entering the context takes up what an earlier process left: queued jobs go on, running ones start again. Leaving it
    stops the queue. All methods may be called from any thread, listeners' included.

    Parameters
    ----------
    store
        Where jobs are kept. The queue doesn't close it.
    start_worker
        Starts the process for a job.
    concurrency
        How many jobs run at once.
    limit
        How many jobs may wait.
    hang_timeout_s
        A worker that gave no sign of life for so long is killed, and its job has failed.
    clock
        The time of day, in seconds since 1970.
    """

    def __init__(
        self,
        store: JobStore,
        start_worker: StartWorker = start_worker,
        *,
        concurrency: int = 1,
        limit: int = 1000,
        hang_timeout_s: float = 600.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._start_worker = start_worker
        self._limit = limit
        self._hang_timeout_s = hang_timeout_s
        self._clock = clock
        # One change at a time, the disk included. Always taken before `_lock`, which only guards the fields below.
        self._changing = threading.Lock()
        self._lock = threading.Condition()
        self._active: dict[str, Job] = {}  # all that haven't ended, in the order in which they were accepted
        self._taken: set[str] = set()  # those of them that a thread is at
        self._workers: dict[str, Worker] = {}
        self._stopping = threading.Event()
        self._generation = store.generation
        self._listeners = Listeners()
        self._threads = [
            threading.Thread(target=self._work, name=f"jobs-{number + 1}", daemon=True) for number in range(concurrency)
        ]

    def __enter__(self) -> JobQueue:
        self._listeners.start()
        try:
            self._take_up()
        except BaseException:
            self._listeners.stop(0.0)
            raise
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def problems(self) -> list[str]:
        """What went wrong with the database, a sentence each."""
        return list(self._store.problems)

    def submit(self, job_id: str, origin: Origin, spec: JobSpec) -> Job:
        """Accept a job. It is on disk when this returns; the same id with the same spec gives the same job again.

        Raises
        ------
        InvalidRequest
            If the id or the spec is not valid, or the id is that of a job with another spec.
        QueueFull
            If too many jobs wait.
        QueueStopped
            If the queue is being stopped.
        StoreLocked, StoreUnwritable
            If the job can't be kept; see `JobStore`.
        """
        new = Job(
            id=_checked_id(job_id),
            origin=origin,
            priority=PRIORITY[origin],
            spec=_checked_spec(spec),
            created_s=self._clock(),
        )
        with self._changing:
            job = self.get(job_id)
            if job is None:
                self._check_room()
                job = self._store.add(new)
                if job is new:
                    self._show(job, "accepted")
        if job.spec != new.spec:
            raise InvalidRequest(f"there is another job with the id {job_id}; choose a new id")
        return job

    def cancel(self, job_id: str) -> Job:
        """End a job as cancelled, whether it waits or runs; what has ended stays as it is.

        A worker at it is asked to tidy up and end, and killed if it doesn't.

        Raises
        ------
        UnknownJob
            If there is none of that id.
        StoreLocked, StoreUnwritable
            If that can't be kept; the job goes on then.
        """
        end = Ending("cancelled", error_code="cancelled", error_text="cancelled; nothing was written")
        job = self._end(job_id, end) or self._store.get(job_id)
        if job is None:
            raise UnknownJob(f"there is no job {job_id}; it may have been forgotten since it ended")
        with self._lock:
            worker = self._workers.get(job_id)
        if worker is not None:
            worker.interrupt()
        return job

    def get(self, job_id: str) -> Job | None:
        """The job of that id as it is now, or None where there is none, or no longer."""
        with self._lock:
            job = self._active.get(job_id)
        return job or self._store.get(job_id)

    def jobs(self, limit: int = 100) -> list[Job]:
        """The last `limit` jobs that were accepted, newest first."""
        kept = self._store.recent(limit)
        with self._lock:
            return [self._active.get(job.id, job) for job in kept]

    def active(self) -> list[Job]:
        """The jobs that haven't ended: the running ones, then those that wait in the order in which they will start."""
        with self._lock:
            return sorted(self._active.values(), key=lambda job: (job.state != "running", job.priority))

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Have a listener told of everything from now on; calling what comes back ends that.

        Listeners are called one event at a time, by a thread of their own, so all events of a job come in order. What
        they raise is logged.
        """
        return self._listeners.add(listener)

    def stop(self, timeout_s: float = 4.0) -> None:
        """Stop: nothing new is accepted or started, running jobs wait for the next start. Calling it twice is fine."""
        deadline_s = time.monotonic() + timeout_s
        with self._lock:
            self._stopping.set()
            self._lock.notify_all()
            workers = list(self._workers.values())
        for worker in workers:
            worker.interrupt()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline_s - time.monotonic()))
        self._listeners.stop(max(0.1, deadline_s - time.monotonic()))

    # ---- changes: one at a time

    def _change(self, job_id: str, kind: EventKind, **fields: Any) -> Job | None:
        """Change a job on disk, then here; None, and nothing happens, where it has ended."""
        with self._changing:
            with self._lock:
                job = self._active.get(job_id)
            if job is None:
                return None
            changed = msgspec.structs.replace(job, **fields)
            was_first = self._store.save(changed)
            self._rescue()
            if was_first:
                self._show(changed, kind)
            else:  # another process has ended it
                _log.error("job %s has been ended by another process", job_id)
                with self._lock:
                    self._active.pop(job_id, None)
        return changed if was_first else None

    def _show(self, job: Job, kind: EventKind) -> None:
        with self._lock:
            if job.ended:
                self._active.pop(job.id, None)
            else:
                self._active[job.id] = job
            self._listeners.tell(JobEvent(job, kind))
            self._lock.notify_all()

    def _end(self, job_id: str, end: Ending) -> Job | None:
        return self._change(
            job_id,
            "ended",
            state=end.state,
            result=end.result,
            insert=end.insert,
            error_code=end.error_code,
            error_text=end.error_text,
            ended_s=self._clock(),
        )

    def _rescue(self) -> None:
        """Where the database was begun anew, keep again what hasn't ended."""
        if self._store.generation == self._generation:
            return
        self._generation = self._store.generation
        with self._lock:
            jobs = list(self._active.values())
        for job in jobs:
            self._store.save(job)

    def _check_room(self) -> None:
        if self._stopping.is_set():
            raise QueueStopped("Stembridge is being stopped; ask again when it runs")
        with self._lock:
            waiting = len(self._active) - len(self._taken)
        if waiting >= self._limit:
            raise QueueFull(f"{waiting} jobs wait already; ask again when some are done")

    def _take_up(self) -> None:
        """Go on with what an earlier process left."""
        for job in self._store.unfinished():
            with self._lock:
                self._active[job.id] = job
            if job.state == "running":
                self._put_back(job.id)

    def _put_back(self, job_id: str, *, uncounted: bool = False) -> None:
        """Have an interrupted job start again, unless that happened too often."""
        job = self.get(job_id)
        if job is None or job.ended:
            return
        attempts = job.attempts - 1 if uncounted else job.attempts
        if attempts >= MAX_ATTEMPTS:
            text = f"it was started {attempts} times and interrupted each time; nothing was written"
            self._end(job_id, Ending("failed", error_code="crashed", error_text=text))
        else:
            self._change(
                job_id, "progress", state="queued", stage="", fraction=0.0, attempts=attempts, started_s=None
            )

    # ---- doing the jobs: each of the threads does one at a time

    def _work(self) -> None:
        while (job := self._next()) is not None:
            try:
                self._run(job)
            except BridgeError as error:  # the disk
                _log.warning("job %s waits: %s", job.id, error)
                self._stopping.wait(RETRY_S)
            except Exception:
                _log.exception("job %s waits, because the queue broke down", job.id)
                self._stopping.wait(RETRY_S)
            finally:
                with self._lock:
                    self._taken.discard(job.id)
                    self._lock.notify_all()

    def _next(self) -> Job | None:
        """The next job, once there is one; None when the queue is stopping."""
        with self._lock:
            while not self._stopping.is_set():
                free = [job for job in self._active.values() if job.id not in self._taken]
                if free:
                    job = min(free, key=lambda job: job.priority)
                    self._taken.add(job.id)
                    return job
                self._lock.wait()
        return None

    def _run(self, job: Job) -> None:
        """Have a worker do the job, and end it or put it back."""
        started = self._change(
            job.id, "started", state="running", attempts=job.attempts + 1, started_s=self._clock(), stage="", fraction=0.0
        )
        if started is None:
            return
        end = self._followed(started)
        if isinstance(end, Ending):
            self._insist(lambda: self._end(job.id, end))
        else:
            self._insist(lambda: self._put_back(job.id, uncounted=self._stopping.is_set()))
