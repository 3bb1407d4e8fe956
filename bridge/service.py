"""The daemon as a service: installed, removed and asked after, by what this system starts programs at login with."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bridge.disk import unwritable, write_whole
from bridge.errors import BridgeError, OutputUnwritable
from bridge.service_plans import TASK, Answer, Command, Launch, Plan, launchd_plan, systemd_plan, task_plan

#: Variables that move Stembridge's own folders: the service must look where the user's commands look.
FOLDER_VARIABLES = (
    "STEMBRIDGE_CACHE_DIR",
    "STEMBRIDGE_CONFIG_DIR",
    "STEMBRIDGE_DATA_DIR",
    "STEMBRIDGE_MODELS_DIR",
)
#: What `run_command` gives where there is no such program, as shells do.
NO_PROGRAM = 127
#: How long a system's command may take. They take tenths of a second, but systemd waits for the daemon to stop.
COMMAND_TIMEOUT_S = 60.0

_START_BY_HAND = "start it with: stembridge serve"

Runner = Callable[[Command], Answer]


class ServiceUnavailable(BridgeError):
    """Nothing here starts programs at login, or what does refused."""

    code = "service-unavailable"


@dataclass(frozen=True, slots=True)
class Status:
    """Whether the service is installed, whether it starts at login, and whether it runs; and that in one line."""

    installed: bool
    enabled: bool
    running: bool
    text: str


def plan_here(
    data_dir: Path,
    *,
    platform: str = sys.platform,
    executable: str = sys.executable,
    environ: Mapping[str, str] = os.environ,
    home: Path | None = None,
) -> Plan:
    """The plan for this system.

    Parameters
    ----------
    data_dir
        The daemon's own folder; the log is in its ``logs``.
    platform, executable, environ, home
        As `sys.platform`, `sys.executable`, `os.environ` and `Path.home` have them.
    """
    if not executable:
        raise ServiceUnavailable(f"Python doesn't know its own path, so nothing can start it; {_START_BY_HAND}")
    home = home or Path.home()
    log_file = data_dir / "logs" / "service.log"
    environment = {name: environ[name] for name in FOLDER_VARIABLES if environ.get(name)}
    launch = Launch((executable, "-P", "-m", "bridge", "serve"), log_file, environment)
    if platform == "darwin":
        return launchd_plan(launch, home, os.getuid())
    if platform == "win32":
        user = "\\".join(filter(None, (environ.get("USERDOMAIN"), environ.get("USERNAME"))))
        return task_plan(launch, user, data_dir)
    settings_dir = environ.get("XDG_CONFIG_HOME", "")
    return systemd_plan(launch, Path(settings_dir) if settings_dir.startswith("/") else home / ".config")


def install(plan: Plan, run: Runner) -> str:
    """Have the daemon started now and at each login; a line that says so.

    Raises
    ------
    ServiceUnavailable
        If the system isn't there or refuses.
    OutputUnwritable
        If its file can't be written.
    """
    _check_there(plan, run)
    for command in plan.prepare:
        run(command)
    _write(plan.file, plan.content, plan.folders)
    try:
        for command in plan.install:
            _must(run, command, plan)
    finally:
        if not plan.keeps_file:
            plan.file.unlink(missing_ok=True)
    return f"{plan.system} starts Stembridge at login, and has started it now" + (
        f" ({plan.file})" if plan.keeps_file else f" (task {TASK})"
    )


def uninstall(plan: Plan, run: Runner) -> str:
    """Stop the daemon that the system started, and start it no more; a line that says so.

    Raises
    ------
    ServiceUnavailable
        If the system still has it afterwards.
    OutputUnwritable
        If the file can't be removed.
    """
    if not status(plan, run).installed:
        return f"{plan.system} doesn't start Stembridge; there was nothing to remove"
    for command in plan.remove:
        run(command)
    try:
        plan.file.unlink(missing_ok=True)
    except OSError as error:
        raise OutputUnwritable(f"cannot remove {plan.file}: {error.strerror or error}; remove it by hand") from error
    for command in plan.removed:
        run(command)
    if status(plan, run).installed:
        raise ServiceUnavailable(f"{plan.system} still has Stembridge; try: {' '.join(plan.remove[-1])}")
    return f"{plan.system} doesn't start Stembridge any more; {_START_BY_HAND}"


def status(plan: Plan, run: Runner) -> Status:
    """Whether the daemon is started at login, and whether it runs now. A missing system is no error here."""
    if plan.probe is not None and run(plan.probe).code != 0:
        left = f", but {plan.file} is there" if plan.file.exists() else ""
        return Status(plan.file.exists(), False, False, f"no {plan.system} here{left}; {_START_BY_HAND}")
    answer = run(plan.query)
    enabled, running, word = plan.read(answer)
    installed = plan.file.exists() if plan.keeps_file else answer.code == 0
    if not installed:
        return Status(False, False, running, "not installed; install it with: stembridge service install")
    at_login = "starts at login" if enabled else "does not start at login (mend: stembridge service install)"
    return Status(True, enabled, running, f"{plan.system}: {at_login}; {word}")


def run_command(command: Command) -> Answer:
    """Run a command to its end; all that it prints comes back. Never raises."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError:
        return Answer(NO_PROGRAM, f"{command[0]}: not found")
    except (OSError, subprocess.TimeoutExpired) as error:
        return Answer(1, str(error))
    return Answer(done.returncode, done.stdout.decode(errors="replace"))


# ---- effects


def _check_there(plan: Plan, run: Runner) -> None:
    if plan.probe is not None and run(plan.probe).code != 0:
        raise ServiceUnavailable(f"no {plan.system} here; {_START_BY_HAND}")


def _must(run: Runner, command: Sequence[str], plan: Plan) -> None:
    answer = run(tuple(command))
    if answer.code != 0:
        said = " ".join(answer.text.split())[:300] or f"exit code {answer.code}"
        raise ServiceUnavailable(f"{plan.system} refused ({' '.join(command)}: {said}); {_START_BY_HAND}")


def _write(file: Path, content: bytes, folders: Sequence[Path]) -> None:
    """Put a file in place, whole, and see that some folders are there."""
    try:
        for folder in (file.parent, *folders):
            folder.mkdir(parents=True, exist_ok=True)
        write_whole(file, content)
        file.chmod(0o644)  # whatever the umask: launchd takes no file that others can write to
    except OSError as error:
        raise unwritable(file, error, _START_BY_HAND) from error
