"""The queue: which job goes next, and what becomes of it. Every job that was accepted ends exactly once.

Its threads each do one job at a time: take it, start a worker process, hear it out (`bridge.jobs.follow`), write down
what became of it (`bridge.jobs.ledger`). No lock is held while a worker, a listener or the disk is at work.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any, TypeVar

from bridge.errors import BridgeError, InvalidRequest
from bridge.jobs.follow import Ending, Interruption, follow
from bridge.jobs.ledger import NOT_NOW, Ledger
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

#: A job whose worker was ended from outside so often, while the daemon lived on, has failed.
MAX_INTERRUPTIONS = 3
#: How often the progress of a running job is written to disk, for those who look from another process.
PROGRESS_KEPT_EVERY_S = 5.0
#: How long to wait before the disk is tried again: at first, and at most, since the wait doubles each time.
RETRY_S = 1.0
LONGEST_RETRY_S = 10.0
#: How often the log says that the disk still refuses: it may do so for weeks.
REMIND_S = 3600.0
#: How long a worker that is asked to end may tidy up before it is killed.
GRACE_S = 3.0

_Answer = TypeVar("_Answer")
_log = logging.getLogger(__name__)


class JobQueue:
    """Takes jobs, keeps them, and has worker processes do them: best priority first, then first come, first served.

    Entering the context takes up what an earlier process left: queued jobs go on, running ones start again. Where the
    database is locked just then, that is tried until it works, and whoever asks meanwhile is refused. Leaving it
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
        self._ledger = Ledger(store, clock)
        self._lock = self._ledger.changed  # guards the fields below too
        self._taken: set[str] = set()  # ids of the jobs that a thread is at
        self._interruptions: Counter[str] = Counter()  # of jobs that haven't ended, by workers' ends alone
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
        except NOT_NOW:
            pass  # the threads insist on it
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
        return self._store.problems

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

    def jobs(self, limit: int = 100, origin: Origin | None = None) -> list[Job]:
        """The last `limit` jobs that were accepted, newest first; of one origin, where that is given."""
        return self._ledger.recent(limit, origin)

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
        self._insist("the jobs of an earlier start", self._ledger.take_up)
        while (job := self._next()) is not None:
            try:
                self._run(job)
            except Exception:
                _log.exception("the queue broke down at job %s", job.id)
                self._stopping.wait(RETRY_S)
                self._put_back(job.id)
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
        facts: dict[str, Any] = {"state": "running", "attempts": job.attempts + 1, "started_s": self._clock()}
        started = self._insist(f"job {job.id}", lambda: self._ledger.change(job.id, "started", **facts))
        if started is None:
            return
        ending = self._followed(started)
        if isinstance(ending, Ending):
            self._interruptions.pop(job.id, None)
            self._insist(f"what became of job {job.id}", lambda: self._ledger.end(job.id, ending))
        else:
            self._put_back(job.id)

    def _put_back(self, job_id: str) -> None:
        """Have an interrupted job start again, unless its workers were ended too often."""
        what = f"what became of job {job_id}"
        if self._stopping.is_set():
            self._insist(what, lambda: self._ledger.put_back(job_id, uncounted=True))
            return
        with self._lock:
            was_cancelled = job_id not in self._ledger.active
        if was_cancelled:
            self._interruptions.pop(job_id, None)
            return
        self._interruptions[job_id] += 1
        if self._interruptions[job_id] < MAX_INTERRUPTIONS:
            self._insist(what, lambda: self._ledger.put_back(job_id))
        else:
            del self._interruptions[job_id]
            self._insist(what, lambda: self._ledger.give_up(job_id))

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

    def _insist(self, what: str, change: Callable[[], _Answer]) -> _Answer | None:
        """Make a change until the disk takes it. Where the queue stops before, the next start sees to it."""
        wait_s, remind_s = RETRY_S, float("-inf")
        while True:
            try:
                return change()
            except BridgeError as error:
                if time.monotonic() >= remind_s:
                    _log.warning("%s must wait: %s", what, error)
                    remind_s = time.monotonic() + REMIND_S
            if self._stopping.wait(wait_s):
                return None
            wait_s = min(2.0 * wait_s, LONGEST_RETRY_S)


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
