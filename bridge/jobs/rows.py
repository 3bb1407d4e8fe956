"""Jobs as rows of the database, and the SQL that reads and writes them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import get_args

from bridge.jobs.model import Job, JobState, Origin, spec_from_json, spec_to_json

ENDED_SQL = "('done', 'failed', 'cancelled')"
COLUMNS = (
    "id, origin, priority, spec, state, stage, fraction, attempts, result, insert_path, error_code, error_text, "
    "created_s, started_s, ended_s"
)
INSERT = f"INSERT INTO jobs ({COLUMNS}) VALUES ({', '.join('?' * len(COLUMNS.split(', ')))})"  # noqa: S608
SAVE = f"""{INSERT} ON CONFLICT (id) DO UPDATE SET
    state = excluded.state, stage = excluded.stage, fraction = excluded.fraction, attempts = excluded.attempts,
    result = excluded.result, insert_path = excluded.insert_path, error_code = excluded.error_code,
    error_text = excluded.error_text, started_s = excluded.started_s, ended_s = excluded.ended_s
    WHERE jobs.state NOT IN {ENDED_SQL}"""
_FIELDS = COLUMNS.replace("insert_path", "insert").split(", ")


def recent(connection: sqlite3.Connection, limit: int, origin: Origin | None = None) -> list[Job]:
    """The last `limit` jobs that were accepted, newest first; of one origin, where that is given."""
    query = f"SELECT {COLUMNS} FROM jobs WHERE ? IN ('', origin) ORDER BY seq DESC LIMIT ?"  # noqa: S608 (constants)
    return _readable(connection.execute(query, (origin or "", limit)))


def one(connection: sqlite3.Connection, job_id: str) -> Job | None:
    """The job of that id, or None."""
    query = f"SELECT {COLUMNS} FROM jobs WHERE id = ?"  # noqa: S608 (constants)
    return next(iter(_readable(connection.execute(query, (job_id,)))), None)


def _readable(rows: Iterable[tuple[object, ...]]) -> list[Job]:
    return [job for job in map(job_of, rows) if job is not None]


def row_of(job: Job) -> tuple[object, ...]:
    """The job in the order of `COLUMNS`."""
    return (
        job.id,
        job.origin,
        job.priority,
        spec_to_json(job.spec),
        job.state,
        job.stage,
        job.fraction,
        job.attempts,
        _packed(job.result),
        _packed(job.insert),
        job.error_code,
        _packed(job.error_text),
        job.created_s,
        job.started_s,
        job.ended_s,
    )


def job_of(row: tuple[object, ...]) -> Job | None:
    """The job in a row, or None where this version can't make sense of it."""
    values = dict(zip(_FIELDS, row, strict=True))
    try:
        values["spec"] = spec_from_json(str(values["spec"]))
        for field in ("result", "insert", "error_text"):
            values[field] = _unpacked(values[field])
        job = Job(**values)  # type: ignore[arg-type]  # checked below, where it isn't the schema's to check
    except ValueError:
        return None
    return job if job.origin in get_args(Origin) and job.state in get_args(JobState) else None


def _packed(text: str | None) -> str | None:
    """Text as ASCII JSON: SQLite takes no lone surrogates, by which Python holds file names that aren't valid UTF-8."""
    return None if text is None else json.dumps(text)


def _unpacked(value: object) -> object:
    return None if value is None else json.loads(str(value))
