"""The queue: which job goes next, and what becomes of it. Every job that was accepted ends exactly once.

Its threads each do one job at a time: take it, start a worker process, hear it out (`bridge.jobs.follow`), write down
what became of it (`bridge.jobs.ledger`). No lock is held while a worker, a listener or the disk is at work.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from types import TracebackType

from bridge.errors import BridgeError, InvalidRequest
from bridge.jobs.follow import Ending, Interruption, follow
from bridge.jobs.ledger import Ledger
from bridge.jobs.listeners import Listener
from bridge.jobs.model import (
    MAX_ID_LENGTH,
    PRIORITY,
    Job,
    JobSpec,
    Origin,
    spec_from_json,
    spec_to_json,
)
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
    stops the queue. All methods may be called from any thread, listeners' included, and before the context is entered:
    jobs are accepted then, and wait.

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
    max_attempts
        A job that was started so often and never ended has failed; a start that `stop` undoes doesn't count.
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
        max_attempts: int = MAX_ATTEMPTS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._start_worker = start_worker
        self._limit = limit
        self._hang_timeout_s = hang_timeout_s
        self._clock = clock
        self._ledger = Ledger(store, clock, max_attempts)
        self._lock = self._ledger.changed  # guards the fields below too
        self._taken: set[str] = set()  # ids of the jobs that a thread is at
        self._workers: dict[str, Worker] = {}
        self._stopping = threading.Event()
        self._grace_s = GRACE_S
        self._threads = [
            threading.Thread(target=self._work, name=f"jobs-{number + 1}", daemon=True) for number in range(concurrency)
        ]

    def __enter__(self) -> JobQueue:
        self._ledger.listeners.start()
        try:
            self._ledger.take_up()
        except BaseException:
            self._ledger.listeners.stop(0.0)
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
        return self._ledger.accept(new, self._check_room)

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
        ending = Ending("cancelled", error_code="cancelled", error_text="cancelled")
        job = self._ledger.end(job_id, ending) or self._store.get(job_id)
        if job is None:
            raise UnknownJob(f"there is no job {job_id}; it may have been forgotten since it ended")
        with self._lock:
            worker = self._workers.get(job_id)
        if worker is not None:
            worker.interrupt()
        return job

    def get(self, job_id: str) -> Job | None:
        """The job of that id as it is now, or None where there is none, or no longer."""
        return self._ledger.get(job_id)

    def jobs(self, limit: int = 100) -> list[Job]:
        """The last `limit` jobs that were accepted, newest first."""
        return self._ledger.recent(limit)

    def active(self) -> list[Job]:
        """The jobs that haven't ended: the running ones, then those that wait in the order in which they will start."""
        with self._lock:
            return sorted(self._ledger.active.values(), key=lambda job: (job.state != "running", job.priority))

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Have a listener told of everything from now on; calling what comes back ends that.

        Listeners are called one event at a time, by a thread of their own, so all events of a job come in order. What
        they raise is logged.
        """
        return self._ledger.listeners.add(listener)

    def stop(self, timeout_s: float = 4.0) -> None:
        """Stop: nothing new is accepted or started, running jobs wait for the next start. Calling it twice is fine."""
        deadline_s = time.monotonic() + timeout_s
        with self._lock:
            self._grace_s = min(GRACE_S, 0.75 * timeout_s)
            self._stopping.set()
            self._lock.notify_all()
            workers = list(self._workers.values())
        for worker in workers:
            worker.interrupt()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline_s - time.monotonic()))
        self._ledger.listeners.stop(max(0.1, deadline_s - time.monotonic()))

    def _check_room(self) -> None:
        if self._stopping.is_set():
            raise QueueStopped("Stembridge is being stopped; ask again when it runs")
        with self._lock:
            waiting = len(self._ledger.active.keys() - self._taken)
        if waiting >= self._limit:
            raise QueueFull(f"{waiting} jobs wait already; ask again when some are done")

    # ---- doing the jobs: each of the threads does one at a time

    def _work(self) -> None:
        while (job := self._next()) is not None:
            try:
                self._run(job)
            except Exception:
                _log.exception("the queue broke down at job %s", job.id)
                self._stopping.wait(RETRY_S)
                self._insist(job.id, lambda: self._ledger.put_back(job.id))
            finally:
                with self._lock:
                    self._taken.discard(job.id)
                    self._lock.notify_all()

    def _next(self) -> Job | None:
        """The next job, once there is one; None when the queue is stopping."""
        with self._lock:
            while not self._stopping.is_set():
                free = [job for job in self._ledger.active.values() if job.id not in self._taken]
                if free:
                    job = min(free, key=lambda job: job.priority)
                    self._taken.add(job.id)
                    return job
                self._lock.wait()
        return None

    def _run(self, job: Job) -> None:
        """Have a worker do the job, and end it or put it back."""
        try:
            started = self._ledger.change(
                job.id, "started", state="running", attempts=job.attempts + 1, started_s=self._clock()
            )
        except BridgeError as error:
            _log.warning("job %s waits: %s", job.id, error)
            self._stopping.wait(RETRY_S)
            return
        if started is None:
            return
        ending = self._followed(started)
        if isinstance(ending, Ending):
            self._insist(job.id, lambda: self._ledger.end(job.id, ending))
        else:
            self._insist(job.id, lambda: self._ledger.put_back(job.id, uncounted=self._stopping.is_set()))

    def _followed(self, job: Job) -> Ending | Interruption:
        """What became of a job that was started; its worker is gone."""
        try:
            starting = self._start_worker(job)
        except OSError as error:
            text = f"its process could not be started ({error.strerror or error}); close other programs, then try again"
            return Ending("failed", error_code="engine-crashed", error_text=text)
        with starting as worker:
            with self._lock:
                self._workers[job.id] = worker
                is_wanted = job.id in self._ledger.active and not self._stopping.is_set()
            if not is_wanted:  # it was cancelled, or the queue stopped, while the worker was being started
                worker.interrupt()
            try:
                ending = follow(
                    worker,
                    self._progress_of(job.id),
                    partial(self._ledger.show_found, job.id),
                    hang_timeout_s=self._hang_timeout_s,
                    grace_s=lambda: self._grace_s,
                )
            finally:
                with self._lock:
                    del self._workers[job.id]
        if isinstance(ending, Ending) and ending.state == "failed":
            _log.warning("job %s failed (%s): %s\n%s", job.id, ending.error_code, ending.error_text, worker.complaints)
        return ending

    def _progress_of(self, job_id: str) -> Callable[[str, float], None]:
        """What is done about a job's progress: it is shown at once, and kept on disk now and then."""
        kept_s = time.monotonic()

        def advance(stage: str, fraction: float) -> None:
            nonlocal kept_s
            self._ledger.advance(job_id, stage, fraction)
            if time.monotonic() - kept_s >= PROGRESS_KEPT_EVERY_S:
                kept_s = time.monotonic()
                self._ledger.keep_progress(job_id)

        return advance

    def _insist(self, job_id: str, change: Callable[[], object]) -> None:
        """Make a change until the disk takes it. Where the queue stops before, the next start sees to it."""
        while True:
            try:
                change()
            except BridgeError as error:
                _log.warning("what became of job %s can't be kept yet: %s", job_id, error)
            else:
                return
            if self._stopping.wait(RETRY_S):
                return


def _checked_id(job_id: str) -> str:
    if not (1 <= len(job_id) <= MAX_ID_LENGTH and job_id.isascii() and job_id.isprintable() and " " not in job_id):
        raise InvalidRequest(f"a job's id is 1 to {MAX_ID_LENGTH} printable ASCII characters, got {job_id[:80]!r}")
    return job_id


def _checked_spec(spec: JobSpec) -> JobSpec:
    """The spec as it will be read from disk."""
    try:
        return spec_from_json(spec_to_json(spec))
    except (ValueError, TypeError) as error:
        raise InvalidRequest(f"this can't be converted: {error}") from error
