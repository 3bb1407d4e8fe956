"""Jobs on disk: one SQLite database, in which a job that was accepted stays whatever happens to the process.

Each change is a transaction of its own that has reached the disk (write-ahead log, ``synchronous=FULL``) before its
call returns. That a job ends only once is enforced here, in SQL: what has ended is never written again.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType

from bridge.jobs.database import BUSY_TIMEOUT_S, Database, refusal
from bridge.jobs.model import Job, Origin
from bridge.jobs.refusals import StoreUnusable
from bridge.jobs.rows import COLUMNS, ENDED_SQL, INSERT, SAVE, job_of, one, recent, row_of
from bridge.jobs.schema import VERSION, migrate, version_of

#: The database's name in the daemon's folder.
NAME = "jobs.sqlite3"
#: Ended jobs that are kept however old they are.
KEEP_JOBS = 1000
#: How long any ended job is kept: whoever asked for it may have been away for a week.
KEEP_S = 7 * 86_400.0

_PRUNE = """DELETE FROM jobs WHERE ended_s < ? AND seq NOT IN (
    SELECT seq FROM jobs WHERE ended_s IS NOT NULL ORDER BY ended_s DESC, seq DESC LIMIT ?)"""


class JobStore:
    """The database of jobs. Its methods may be called from any thread.

    All of them raise `StoreLocked` when another process holds the database for longer than `busy_timeout_s`, and
    `StoreUnwritable` when the disk is full or the file can't be written; nothing is changed then, and the next call
    tries again. A corrupt database is set aside as ``jobs.sqlite3.corrupt-<time>``, whenever that is found, and a new
    one begun.

    Parameters
    ----------
    path
        The database; it and its folder are made where missing.
    clock
        The time of day, for pruning and for the name of what is set aside.
    busy_timeout_s
        How long to wait for another process.
    keep_jobs, keep_s
        Ended jobs are forgotten when they are both older than `keep_s` and not among the last `keep_jobs`.

    Raises
    ------
    StoreUnusable
        If the database can't be opened or was made by a newer version; not where it is locked just now.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], float] = time.time,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
        keep_jobs: int = KEEP_JOBS,
        keep_s: float = KEEP_S,
    ) -> None:
        self._clock = clock
        self._keep = keep_jobs, keep_s
        prepare = partial(_prepare, path=path)
        self._database = Database(path, "the jobs' database", prepare, clock=clock, busy_timeout_s=busy_timeout_s)

    def __enter__(self) -> JobStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def problems(self) -> list[str]:
        """A sentence for each thing that went wrong with the database and that the user should know."""
        return list(self._database.problems)

    @property
    def generation(self) -> int:
        """How many databases were begun anew because of corruption: a change says that stored jobs may be gone."""
        return self._database.generation

    def close(self) -> None:
        """Close the database; nothing can be read or written any more."""
        self._database.close()

    def add(self, job: Job) -> Job:
        """Keep a new job, which is on disk when this returns; or the job already kept under its id."""

        def work(connection: sqlite3.Connection) -> Job:
            earlier = one(connection, job.id)
            if earlier is None:
                connection.execute(INSERT, row_of(job))
            return earlier or job

        return self._database.write(work)

    def save(self, job: Job) -> bool:
        """Keep a job as it is now; False, and nothing is changed, where it has ended before."""

        def work(connection: sqlite3.Connection) -> bool:
            changed = connection.execute(SAVE, row_of(job)).rowcount == 1
            if job.ended:
                keep_jobs, keep_s = self._keep
                connection.execute(_PRUNE, (self._clock() - keep_s, keep_jobs))
            return changed

        return self._database.write(work)

    def get(self, job_id: str) -> Job | None:
        """The job of that id, or None."""
        return self._database.read(lambda connection: one(connection, job_id))

    def recent(self, limit: int, origin: Origin | None = None) -> list[Job]:
        """The last `limit` jobs that were accepted, newest first; of one origin, where that is given."""
        return self._database.read(lambda connection: recent(connection, limit, origin))

    def unfinished(self) -> list[Job]:
        """All jobs that haven't ended, in the order in which they were accepted.

        A row that this version can't read is ended as failed, and said in `problems`.
        """
        query = f"SELECT {COLUMNS} FROM jobs WHERE ended_s IS NULL ORDER BY seq"  # noqa: S608 (constants)
        rows = self._database.read(lambda connection: connection.execute(query).fetchall())
        jobs = []
        for row in rows:
            job = job_of(row)
            if job is None:
                self._give_up(str(row[0]))
            else:
                jobs.append(job)
        return jobs

    def _give_up(self, job_id: str) -> None:
        text = "this version can't read what was asked for; ask again"
        query = f"""UPDATE jobs SET state = 'failed', error_code = 'invalid-request', error_text = ?, ended_s = ?
            WHERE id = ? AND state NOT IN {ENDED_SQL}"""  # noqa: S608 (a constant)
        self._database.write(lambda connection: connection.execute(query, (json.dumps(text), self._clock(), job_id)))
        self._database.tell(f"job {job_id} in {self._database.path} can't be read, so it was ended as failed")


def peek(path: Path, limit: int) -> list[Job]:
    """The last `limit` jobs, newest first, of a database that belongs to another process; nothing is changed in it.

    Raises
    ------
    StoreLocked, StoreUnusable
        If it can't be read just now, or at all. A missing one has no jobs.
    """
    if not path.exists():
        return []
    try:
        with contextlib.closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S)
        ) as connection:
            version = version_of(connection)
            _refuse_newer(version, path)
            if version == 0:  # a daemon that was stopped, or had no room, before it could make anything
                return []
            if version < VERSION:
                raise StoreUnusable(
                    f"{path} was made by an older Stembridge: start the daemon once (stembridge serve), "
                    "which brings it up to date"
                )
            return recent(connection, limit)
    except sqlite3.DatabaseError as error:
        raise refusal(error, path) from error


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the database to the newest version; refuse one that is newer."""
    _refuse_newer(version_of(connection), path)
    migrate(connection)


def _refuse_newer(version: int, path: Path) -> None:
    if version > VERSION:
        raise StoreUnusable(f"{path} was made by a newer Stembridge; update Stembridge, or move that file away")
