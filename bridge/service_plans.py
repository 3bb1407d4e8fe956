"""How each system is told to start the daemon at login: systemd, launchd, Windows' Task Scheduler.

A `Plan` says everything about one of them: a file with its content, and the commands that make the system read it.
Nothing here has effects; `bridge.service` carries a plan out.
"""

from __future__ import annotations

import os
import plistlib
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from bridge.errors import InvalidRequest

#: The service's name for systemd and the Task Scheduler, and for launchd, which wants reversed domains.
UNIT = "stembridge.service"
TASK = "Stembridge"
LABEL = "org.stembridge.daemon"
#: Wait before a start after a failure. launchd can't tell failures that stay (a second daemon, wrong settings) from
#: others, so it tries less often.
RESTART_S = 5
LAUNCHD_RESTART_S = 30
#: How long the daemon may take to stop: it promises five seconds.
STOP_S = 10
#: The exit code that trying again doesn't change: wrong settings, a daemon that runs already, a port that is taken.
#: A full disk or a fault of ours may pass.
HOPELESS_CODE = InvalidRequest.exit_code
_TASK_NAMESPACE = "http://schemas.microsoft.com/windows/2004/02/mit/task"

Command = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Launch:
    """What is started at login.

    Attributes
    ----------
    command
        The program's absolute path and its arguments.
    log_file
        Where launchd writes what the program says before it has a log of its own; systemd has the journal.
    environment
        Variables to set.
    """

    command: Command
    log_file: Path
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command came to: exit code and what it printed."""

    code: int
    text: str


@dataclass(frozen=True, slots=True)
class Plan:
    """How one system is told to start the daemon at login.

    Attributes
    ----------
    system
        What starts it, for people.
    file, content
        What is written where.
    prepare
        Commands before the file is replaced; their failure doesn't matter.
    install
        Commands after it is written, in order; all must succeed.
    remove
        Commands before the file is removed; their failure doesn't matter.
    removed
        Commands after that; their failure doesn't matter.
    probe
        A command that succeeds where the system is there, or None where it always is.
    query
        A command that tells about the service.
    read
        What the query's answer means: (enabled, running, a word for it).
    keeps_file
        Whether the system reads the file at each login. Otherwise it is only handed over.
    folders
        What must be there for it to start anything.
    """

    system: str
    file: Path
    content: bytes
    install: tuple[Command, ...]
    remove: tuple[Command, ...]
    query: Command
    read: Callable[[Answer], tuple[bool, bool, str]]
    prepare: tuple[Command, ...] = ()
    removed: tuple[Command, ...] = ()
    probe: Command | None = None
    keeps_file: bool = True
    folders: tuple[Path, ...] = ()


def systemd_plan(launch: Launch, config_home: Path) -> Plan:
    """The plan for systemd's user instance; `config_home` is where XDG puts settings."""
    systemctl = ("systemctl", "--user")
    return Plan(
        system="systemd",
        file=config_home / "systemd" / "user" / UNIT,
        content=systemd_unit(launch).encode("utf-8", "surrogateescape"),
        install=(
            (*systemctl, "daemon-reload"),
            (*systemctl, "enable", UNIT),
            (*systemctl, "restart", UNIT),
        ),
        remove=((*systemctl, "disable", "--now", UNIT),),
        removed=((*systemctl, "daemon-reload"), (*systemctl, "reset-failed", UNIT)),
        probe=(*systemctl, "show-environment"),
        query=(*systemctl, "show", UNIT, "--property=UnitFileState,ActiveState,SubState,MainPID,Result"),
        read=_read_systemd,
    )


def systemd_unit(launch: Launch) -> str:
    """The unit file (systemd.unit, systemd.service, systemd.syntax; all man pages of section 5 or 7).

    ``ExecStart=:`` has systemd leave ``$`` alone. With ``KillMode=mixed`` the daemon alone is asked to end, so that it
    ends its children in order; what is left after ``TimeoutStopSec`` is killed.
    """
    words = launch.command
    if set(words[0]) & set("\"'\\"):  # systemd takes these in an argument, but not in a program's path
        words = ("/usr/bin/env", *words)
    command = " ".join(_systemd_quoted(word) for word in words)
    environment = "".join(
        f"Environment={_systemd_quoted(f'{name}={value}')}\n" for name, value in launch.environment.items()
    )
    return f"""\
# Written by: stembridge service install
[Unit]
Description=Stembridge, from recordings to stems and MIDI
StartLimitIntervalSec=300
StartLimitBurst=5

[Service]
Type=exec
ExecStart=:{command}
{environment}Restart=on-failure
RestartSec={RESTART_S}
RestartPreventExitStatus={HOPELESS_CODE}
TimeoutStopSec={STOP_S}
KillMode=mixed

[Install]
WantedBy=default.target
"""


def launchd_plan(launch: Launch, home: Path, uid: int) -> Plan:
    """The plan for macOS: a LaunchAgent of the user `uid`."""
    file = home / "Library" / "LaunchAgents" / f"{LABEL}.plist"
    domain = f"gui/{uid}"
    service = f"{domain}/{LABEL}"
    return Plan(
        system="launchd",
        file=file,
        content=launchd_plist(launch),
        prepare=(("launchctl", "bootout", service),),
        install=(("launchctl", "enable", service), ("launchctl", "bootstrap", domain, os.fspath(file))),
        remove=(("launchctl", "bootout", service),),
        query=("launchctl", "print", service),
        read=_read_launchd,
        folders=(launch.log_file.parent,),
    )


def launchd_plist(launch: Launch) -> bytes:
    """The property list (man page launchd.plist of section 5).

    ``ProcessType`` is left at its default: with ``Background`` the system would slow down conversions too.
    """
    return plistlib.dumps(
        {
            "Label": LABEL,
            "ProgramArguments": list(launch.command),
            "EnvironmentVariables": dict(launch.environment),
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "ThrottleInterval": LAUNCHD_RESTART_S,
            "ExitTimeOut": STOP_S,
            "StandardOutPath": os.fspath(launch.log_file),
            "StandardErrorPath": os.fspath(launch.log_file),
        }
    )


def task_plan(launch: Launch, user: str, folder: Path) -> Plan:
    r"""The plan for Windows: a task of `user` (``DOMAIN\\name``), handed over as a file in `folder`."""
    file = folder / "service.xml"
    return Plan(
        system="Task Scheduler",
        file=file,
        content=task_xml(launch, user),
        prepare=(("schtasks", "/End", "/TN", TASK),),
        install=(
            ("schtasks", "/Create", "/TN", TASK, "/XML", os.fspath(file), "/F"),
            ("schtasks", "/Run", "/TN", TASK),
        ),
        remove=(("schtasks", "/End", "/TN", TASK), ("schtasks", "/Delete", "/TN", TASK, "/F")),
        query=("schtasks", "/Query", "/TN", TASK, "/FO", "CSV", "/NH"),
        read=_read_task,
        keeps_file=False,
    )


def task_xml(launch: Launch, user: str) -> bytes:
    """The task (Microsoft's Task Scheduler schema, version 1.2), UTF-16 as ``schtasks`` wants it.

    ``pythonw.exe`` stands beside ``python.exe`` and opens no window. Tasks have the user's own environment, and no
    place for more.
    """
    program, *arguments = launch.command
    task = ElementTree.Element("Task", version="1.2", xmlns=_TASK_NAMESPACE)
    _fill(
        task,
        {
            "RegistrationInfo": {"Description": "Stembridge, from recordings to stems and MIDI"},
            "Triggers": {"LogonTrigger": {"Enabled": "true", "UserId": user}},
            "Principals": {
                "Principal": {"UserId": user, "LogonType": "InteractiveToken", "RunLevel": "LeastPrivilege"}
            },
            "Settings": {
                "MultipleInstancesPolicy": "IgnoreNew",
                "DisallowStartIfOnBatteries": "false",
                "StopIfGoingOnBatteries": "false",
                "StartWhenAvailable": "true",
                "ExecutionTimeLimit": "PT0S",  # none
                "Priority": "6",  # below normal; the default, 7, also slows down the disk
                "RestartOnFailure": {"Interval": "PT1M", "Count": "3"},  # a minute is the least there is
            },
            "Actions": {"Exec": {"Command": _windowless(program), "Arguments": subprocess.list2cmdline(arguments)}},
        },
    )
    for path, attribute in (("Principals/Principal", "id"), ("Actions", "Context")):
        found = task.find(path)
        assert found is not None
        found.set(attribute, "Author")
    return b"\xff\xfe" + ElementTree.tostring(task, encoding="unicode").encode("utf-16-le")


# ---- reading and quoting


def _read_systemd(answer: Answer) -> tuple[bool, bool, str]:
    shown = dict(line.split("=", 1) for line in answer.text.splitlines() if "=" in line)
    active = shown.get("ActiveState", "unknown")
    running = active in ("active", "activating", "reloading")
    word = f"runs as process {shown.get('MainPID', '?')}" if running else f"{active}, does not run"
    if active == "failed":
        word += f" ({shown.get('Result', 'failed')}; see: journalctl --user -u {UNIT})"
    return shown.get("UnitFileState") == "enabled", running, word


def _read_launchd(answer: Answer) -> tuple[bool, bool, str]:
    running = "state = running" in answer.text
    return answer.code == 0, running, "runs" if running else "does not run"


def _read_task(answer: Answer) -> tuple[bool, bool, str]:
    """The state is in the system's language, so it is only shown; in English it also tells whether it runs."""
    last = answer.text.strip().splitlines()[-1:] if answer.code == 0 else []
    state = last[0].split(",")[-1].strip('"') if last else "unknown"
    return answer.code == 0, state == "Running", f"its state is {state}"


def _systemd_quoted(word: str) -> str:
    """A word for a unit file: in double quotes, escapes as in C, ``%`` doubled because it begins a specifier."""
    escapes = {"\\": "\\\\", '"': '\\"', "%": "%%", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return '"' + "".join(escapes.get(char, char) for char in word) + '"'


def _fill(parent: ElementTree.Element, members: Mapping[str, object]) -> None:
    for name, value in members.items():
        child = ElementTree.SubElement(parent, name)
        if isinstance(value, Mapping):
            _fill(child, value)
        else:
            child.text = str(value)


def _windowless(program: str) -> str:
    folder, slash, name = program.rpartition("\\")
    return f"{folder}{slash}pythonw.exe" if name.lower() == "python.exe" else program
