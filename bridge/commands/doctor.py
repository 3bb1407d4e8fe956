"""``stembridge doctor``: what works on this machine, and how to mend what does not."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import click

from bridge.commands.shown import echo

if TYPE_CHECKING:
    from bridge.doctor import Finding, Running, Scene


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Check what Stembridge needs, and say how to mend what is missing. It changes nothing."""
    from bridge.doctor import examine

    failures = 0
    for finding in examine(_scene()):
        failures += finding.verdict == "fail"
        echo(json.dumps(dataclasses.asdict(finding)) if as_json else _line(finding))
    ctx.exit(1 if failures else 0)


def _line(finding: Finding) -> str:
    mend = f"\n       → {finding.mend}" if finding.mend else ""
    return f"{finding.verdict:<5}  {finding.name}: {finding.text}{mend}"


def _scene() -> Scene:
    """What the doctor looks at on this machine."""
    from bridge.config import NAME, Settings, read
    from bridge.daemon_watch import folders_of
    from bridge.doctor import Scene
    from bridge.errors import BridgeError
    from bridge.instance import SECRET_NAME, daemon_dir
    from bridge.jobs.store import NAME as STORE_NAME
    from bridge.logs import NAME as LOG_NAME
    from bridge.places import cache_dir, config_dir, data_dir
    from bridge.service import plan_here

    try:
        settings, problem = read({}).settings, ""
    except BridgeError as error:
        settings, problem = Settings(), str(error)
    folder = daemon_dir()
    try:
        plan = plan_here(folder)
    except BridgeError:
        plan = None
    watched = folders_of(settings)
    return Scene(
        data_dir=data_dir(),
        config_dir=config_dir(),
        cache_dir=cache_dir(),
        database=folder / STORE_NAME,
        secret=folder / SECRET_NAME,
        log_file=folder / "logs" / LOG_NAME,
        osc_port=settings.osc_port,
        settings_file=config_dir() / NAME,
        find_daemon=_running,
        settings_problem=problem,
        out_dirs=tuple({settings.results_folder.absolute(): None} | {it.out: None for it in watched}),
        watched=tuple(it.folder for it in watched),
        stream=settings.stream,
        plan=plan,
    )


def _running() -> Running | None:
    """The daemon that runs, asked whether it answers."""
    from bridge.doctor import Running
    from bridge.instance import SECRET_NAME, daemon_dir, running, secret
    from bridge.peer import answers

    folder = daemon_dir()
    found = running(folder)
    if found is None:
        return None
    has_secret = (folder / SECRET_NAME).exists()  # asking for it would make one
    return Running(found.pid, found.osc_port, has_secret and answers(found.osc_port, secret(folder)))
