"""Jobs on disk: one SQLite database, in which a job that was accepted stays whatever happens to the process.

Each change is a transaction of its own that has reached the disk (write-ahead log, ``synchronous=FULL``) before its
call returns. That a job ends only once is enforced here, in SQL: what has ended is never written again.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from bridge.jobs.model import Job
from bridge.jobs.refusals import StoreLocked, StoreUnusable, StoreUnwritable
from bridge.jobs.rows import COLUMNS, ENDED_SQL, INSERT, SAVE, job_of, one, recent, row_of
from bridge.jobs.schema import VERSION, migrate, version_of

#: The database's name in the daemon's folder.
NAME = "jobs.sqlite3"
#: Ended jobs that are kept however old they are.
KEEP_JOBS = 1000
#: How long any ended job is kept: whoever asked for it may have been away for a week.
KEEP_S = 7 * 86_400.0
#: How long a call waits for another process that is writing. Its own transactions take milliseconds.
BUSY_TIMEOUT_S = 0.5

_Answer = TypeVar("_Answer")
_log = logging.getLogger(__name__)

#: SQLite's primary result codes (sqlite.org/rescode.html); Python names them only from 3.11 on, and not on all systems.
_BUSY, _LOCKED, _READONLY, _IOERR, _CORRUPT, _FULL, _NOTADB = 5, 6, 8, 10, 11, 13, 26

_PRUNE = """DELETE FROM jobs WHERE ended_s < ? AND seq NOT IN (
    SELECT seq FROM jobs WHERE ended_s IS NOT NULL ORDER BY ended_s DESC, seq DESC LIMIT ?)"""


class JobStore:
    """The database of jobs. Its methods may be called from any thread.

    All of them raise `StoreLocked` when another process holds the database for longer than `busy_timeout_s`, and
    `StoreUnwritable` when the disk is full or the file can't be written; nothing is changed then. A corrupt database is
    set aside as ``jobs.sqlite3.corrupt-<time>``, whenever that is found, and a new one begun.

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

    Attributes
    ----------
    problems
        A sentence for each thing that went wrong with the database and that the user should know.
    generation
        How many databases were begun anew because of corruption: a change says that stored jobs may be gone.

    Raises
    ------
    StoreUnusable
        If the database can't be opened or was made by a newer version.
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
        self.path = path
        self.problems: list[str] = []
        self.generation = 0
        self._clock = clock
        self._busy_timeout_s = busy_timeout_s
        self._keep = keep_jobs, keep_s
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreUnusable(f"cannot make {path.parent} for the jobs: {error.strerror or error}") from error
        try:
            self._connection = self._opened()
        except sqlite3.DatabaseError as error:
            if not _is_corruption(error):
                raise _refusal(error, path) from error
            self._begin_anew(error)

    def __enter__(self) -> JobStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database; nothing can be read or written any more."""
        with self._lock:
            self._connection.close()

    def add(self, job: Job) -> Job:
        """Keep a new job, which is on disk when this returns; or the job already kept under its id."""

        def work(connection: sqlite3.Connection) -> Job:
            earlier = one(connection, job.id)
            if earlier is None:
                connection.execute(INSERT, row_of(job))
            return earlier or job

        return self._write(work)

    def save(self, job: Job) -> bool:
        """Keep a job as it is now; False, and nothing is changed, where it has ended before."""

        def work(connection: sqlite3.Connection) -> bool:
            changed = connection.execute(SAVE, row_of(job)).rowcount == 1
            if job.ended:
                keep_jobs, keep_s = self._keep
                connection.execute(_PRUNE, (self._clock() - keep_s, keep_jobs))
            return changed

        return self._write(work)

    def get(self, job_id: str) -> Job | None:
        """The job of that id, or None."""
        return self._read(lambda connection: one(connection, job_id))

    def recent(self, limit: int) -> list[Job]:
        """The last `limit` jobs that were accepted, newest first."""
        return self._read(lambda connection: recent(connection, limit))

    def unfinished(self) -> list[Job]:
        """All jobs that haven't ended, in the order in which they were accepted.

        A row that this version can't read is ended as failed, and said in `problems`.
        """
        query = f"SELECT {COLUMNS} FROM jobs WHERE ended_s IS NULL ORDER BY seq"  # noqa: S608 (constants)
        rows = self._read(lambda connection: connection.execute(query).fetchall())
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
        self._write(lambda connection: connection.execute(query, (json.dumps(text), self._clock(), job_id)))
        self._tell(f"job {job_id} in {self.path} can't be read, so it was ended as failed")

    def _read(self, work: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
        return self._attempt(lambda: work(self._connection))

    def _write(self, work: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
        return self._attempt(lambda: self._transaction(work))

    def _attempt(self, step: Callable[[], _Answer]) -> _Answer:
        """What a step gives; where the database turns out to be corrupt, what it gives with a new one."""
        with self._lock:
            try:
                return step()
            except sqlite3.DatabaseError as error:
                if not _is_corruption(error):
                    raise _refusal(error, self.path) from error
                self._connection.close()
                self._begin_anew(error)
            try:
                return step()
            except sqlite3.DatabaseError as error:
                raise _refusal(error, self.path) from error

    def _transaction(self, work: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            answer = work(connection)
            connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):  # the error that counts is the first
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            raise
        return answer

    def _opened(self) -> sqlite3.Connection:
        """A connection to a sound database of the newest version."""
        connection = sqlite3.connect(
            self.path, timeout=self._busy_timeout_s, isolation_level=None, check_same_thread=False
        )
        try:
            for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
                connection.execute(f"PRAGMA {pragma}")
            _check(connection, self.path)
            migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _begin_anew(self, reason: sqlite3.DatabaseError) -> None:
        """Set the corrupt database aside, with the files that belong to it, and make a new one."""
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(self._clock()))
        aside = _unused(self.path.with_name(f"{self.path.name}.corrupt-{stamp}"))
        try:
            for suffix in ("", "-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    Path(f"{self.path}{suffix}").replace(f"{aside}{suffix}")
        except OSError as error:
            raise StoreUnusable(
                f"{self.path} is corrupt ({reason}) and can't be moved away: {error.strerror or error}"
            ) from error
        self.generation += 1
        why = " ".join(str(reason).split())
        self._tell(f"the jobs' database was corrupt ({why}); it was set aside as {aside}, and a new one begun")
        try:
            self._connection = self._opened()
        except sqlite3.DatabaseError as error:
            raise _refusal(error, self.path) from error

    def _tell(self, problem: str) -> None:
        self.problems.append(problem)
        _log.warning(problem)


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
            return recent(connection, limit)
    except sqlite3.DatabaseError as error:
        raise _refusal(error, path) from error


class _Corrupt(sqlite3.DatabaseError):
    """SQLite's own check found a fault."""

    sqlite_errorcode = _CORRUPT


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Raise where the database is corrupt or too new."""
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise _Corrupt(str(found))
    if version_of(connection) > VERSION:
        raise StoreUnusable(f"{path} was made by a newer Stembridge; update Stembridge, or move that file away")


def _is_corruption(error: sqlite3.DatabaseError) -> bool:
    return _code(error) in (_CORRUPT, _NOTADB)


def _code(error: sqlite3.DatabaseError) -> int:
    """SQLite's primary result code; 0 where the error isn't SQLite's."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _refusal(error: sqlite3.DatabaseError, path: Path) -> StoreLocked | StoreUnwritable | StoreUnusable:
    """What an error of SQLite means for who asked."""
    code = _code(error)
    if code in (_BUSY, _LOCKED):
        return StoreLocked(f"another program holds {path}; close it, then try again")
    if code in (_FULL, _IOERR):
        return StoreUnwritable(f"cannot write {path} ({error}): free some space on its disk, then try again")
    if code == _READONLY:
        return StoreUnwritable(f"cannot write {path} ({error}): make it and its folder writable")
    return StoreUnusable(f"cannot use {path} ({error}): make it and its folder readable and writable")


def _unused(path: Path) -> Path:
    """The path, or one numbered from 2 where something is there."""
    candidate, number = path, 1
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.name}-{number}")
    return candidate
