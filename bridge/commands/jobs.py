"""``stembridge jobs``: the daemon's queue and history."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from bridge.commands.shown import echo, moment

if TYPE_CHECKING:
    from bridge.jobs.model import Job
    from bridge.peer import Peer

#: Jobs that are listed unless more are asked for: a terminal's height.
LISTED = 20
#: More jobs than are ever kept, so that a job is found by its id wherever it is.
_ALL = 1_000_000
_NO_DAEMON = "No daemon runs: what is not done yet goes on when one is started (stembridge serve)."


@click.group(invoke_without_command=True, short_help="List, show, cancel or repeat the daemon's jobs.")
@click.pass_context
def jobs(ctx: click.Context) -> None:
    """List the daemon's jobs, show or cancel one, or have one done again."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_jobs)


@jobs.command("list")
@click.option("--limit", type=click.IntRange(1), default=LISTED, show_default=True, help="How many, newest first.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def list_jobs(limit: int = LISTED, as_json: bool = False) -> None:
    """List jobs, newest first."""
    found = _known(limit)
    runs = _daemon_runs()
    for job in found:
        echo(_json(job) if as_json else _row(job, runs))
    if as_json:
        return
    if not found:
        echo("There are no jobs yet.")
    elif not runs and any(not job.ended for job in found):
        echo(_NO_DAEMON)


@jobs.command()
@click.argument("job_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def show(job_id: str, as_json: bool) -> None:
    """Show all that is known of the job ID; the beginning of an id will do."""
    job = _find(job_id)
    runs = _daemon_runs()
    echo(_json(job) if as_json else _details(job, runs))
    if not (as_json or runs or job.ended):
        echo(_NO_DAEMON)


@jobs.command()
@click.argument("job_id", metavar="ID")
def cancel(job_id: str) -> None:
    """Cancel the job ID, whether it waits or runs; the beginning of an id will do."""
    from bridge.errors import BridgeError
    from bridge.jobs.refusals import UnknownJob

    job = _find(job_id)
    if job.ended:
        echo(f"{job.id} has ended already: {job.state}")
        return
    code = _cancel(job)
    if code == "cancelled":
        echo(f"{job.id} is cancelled; nothing was written")
    elif code == "done":
        echo(f"{job.id} was done before it could be cancelled")
    elif code == "unknown-job":
        raise UnknownJob(f"the daemon knows no job {job.id}, or no longer; see: stembridge jobs")
    else:
        raise BridgeError(f"{job.id} could not be cancelled ({code}); see: stembridge jobs show {job.id}")


@jobs.command()
@click.argument("job_id", metavar="ID")
def again(job_id: str) -> None:
    """Do again what the job ID did, though nothing changed; the beginning of an id will do."""
    job = _find(job_id)
    echo(f"{_ask_again(job)} converts {job.spec.source} again")


def _done(by_daemon: Callable[[Peer], str], without: Callable[[], str]) -> str:
    """What the daemon says to a wish where one runs, else what comes of it without one."""
    from bridge.instance import Instance, daemon_dir, running, secret
    from bridge.peer import Peer

    folder = daemon_dir()
    found = running(folder)
    if found is None:
        with Instance(folder):  # no daemon may start meanwhile
            return without()
    with Peer(found.osc_port, secret(folder)) as daemon:
        return by_daemon(daemon)


def _ask_again(job: Job) -> str:
    """Have a job done again, by the daemon where one runs, else at its next start; the new job's id."""
    return _done(lambda daemon: daemon.again(job.id), lambda: _add_again(job))


def _add_again(job: Job) -> str:
    """Keep a new job that does the same."""
    import time

    from bridge.instance import daemon_dir
    from bridge.jobs.model import PRIORITY, Job
    from bridge.jobs.store import NAME, JobStore
    from bridge.peer import new_id

    with JobStore(daemon_dir() / NAME) as store:
        return store.add(Job(new_id(), "command", PRIORITY["command"], job.spec, created_s=time.time())).id


def _cancel(job: Job) -> str:
    """Cancel a job, by the daemon where one runs; the code of the job's end."""
    return _done(lambda daemon: daemon.cancel(job.id), lambda: _cancel_on_disk(job))


def _cancel_on_disk(job: Job) -> str:
    """Cancel a job that no daemon works at."""
    import time

    import msgspec

    from bridge.instance import daemon_dir
    from bridge.jobs.store import NAME, JobStore

    with JobStore(daemon_dir() / NAME) as store:
        now_s = time.time()
        text = "cancelled; nothing was written"
        end = {"state": "cancelled", "error_code": "cancelled", "error_text": text, "ended_s": now_s}
        store.save(msgspec.structs.replace(job, **end))
        kept = store.get(job.id)
    return kept.state if kept else "unknown-job"


def _known(limit: int) -> list[Job]:
    from bridge.instance import daemon_dir
    from bridge.jobs.store import NAME, peek

    return peek(daemon_dir() / NAME, limit)


def _find(job_id: str) -> Job:
    """The job of an id, or the only one whose id begins so."""
    from bridge.jobs.refusals import UnknownJob

    known = _known(_ALL)
    found = [job for job in known if job.id == job_id] or [job for job in known if job.id.startswith(job_id)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UnknownJob(f"{len(found)} jobs have ids that begin with {job_id}; give more of it")
    raise UnknownJob(f"there is no job {job_id}; see: stembridge jobs")


def _daemon_runs() -> bool:
    from bridge.instance import daemon_dir, is_locked

    return is_locked(daemon_dir())


def _state(job: Job, daemon_runs: bool) -> str:
    """How far a job is; one that the list has as running doesn't run without a daemon."""
    if job.state != "running":
        return job.state
    return f"{'running' if daemon_runs else 'interrupted'} {job.fraction:4.0%} {job.stage}"


def _warnings(job: Job) -> list[str]:
    """What the conversion had to say, from its result; nothing where that is gone."""
    from pathlib import Path

    from bridge.errors import BridgeError
    from bridge.write import manifest

    try:
        return [] if job.result is None else list(manifest.read(Path(job.result)).warnings)
    except BridgeError:
        return []


def _row(job: Job, daemon_runs: bool) -> str:
    from pathlib import PurePath

    state = _state(job, daemon_runs)
    return f"{moment(job.created_s)}  {state:<24}  {job.id}  {PurePath(job.spec.source).name}"


def _details(job: Job, daemon_runs: bool) -> str:
    rows = {
        "id": job.id,
        "asked by": {"osc": "a device in Live", "watch": "a watched folder", "command": "a command"}[job.origin],
        "source": job.spec.source,
        "results in": job.spec.out_dir,
        "state": _state(job, daemon_runs),
        "accepted": moment(job.created_s),
        "started": moment(job.started_s),
        "ended": moment(job.ended_s),
        "attempts": str(job.attempts),
        "result": job.result or "-",
    }
    if job.insert:
        rows["for Live"] = job.insert
    if job.error_code:
        rows["reason"] = f"{job.error_text} ({job.error_code})"
    notes = [("note", warning) for warning in _warnings(job)]
    return "\n".join(f"{key:<11} {value}" for key, value in [*rows.items(), *notes])


def _json(job: Job) -> str:
    import json

    import msgspec

    return json.dumps(msgspec.to_builtins(job))
