"""What works on this machine and what doesn't, each with its mend.

A check looks at one thing and gives findings; it changes nothing, and what may crash is tried by
`bridge.doctor_probe`. `examine` makes all checks, whatever becomes of single ones.
"""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bridge.disk import nearest
from bridge.doctor_probe import probed
from bridge.errors import BridgeError
from bridge.service import Runner, run_command, status
from bridge.service_plans import Plan

Verdict = Literal["ok", "warn", "fail"]

#: Pythons that the dependencies have wheels for, as pyproject.toml says: from, and before.
PYTHONS = (3, 11), (3, 14)
#: Module -> what doesn't work without it.
LIBRARIES: Mapping[str, str] = {
    "numpy": "nothing",
    "scipy": "separation and transcription",
    "soundfile": "reading audio",
    "av": "reading audio",
    "soxr": "reading audio",
    "librosa": "transcription",
    "onnxruntime": "transcription",
    "basic_pitch": "transcription",
    "torch": "separation with Demucs",
    "demucs": "separation with Demucs",
    "mido": "MIDI files",
    "msgspec": "results",
    "yaml": "separation with Demucs",
    "pythonosc": "the device in Live",
    "watchdog": "watched folders",
    "rtmidi": "the MIDI port",
}
#: A four-minute song with all its stems takes 0.7 GB in the result and as much in the cache.
SONG_BYTES = 700_000_000
LITTLE_BYTES = 5 * SONG_BYTES

_REINSTALL = "install Stembridge again"
_CORRUPT_MEND = "start Stembridge (stembridge serve), which sets it aside and begins anew"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: about what, how bad, what it is, and how to mend it (empty where nothing is to be done)."""

    name: str
    verdict: Verdict
    text: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Running:
    """A daemon that was found: its process, its OSC port, and whether it answered there."""

    pid: int
    osc_port: int
    answers: bool


@dataclass(frozen=True, slots=True)
class Scene:
    """What is to be looked at.

    Attributes
    ----------
    data_dir, config_dir, cache_dir
        Stembridge's own folders.
    database, secret, log_file
        The daemon's files.
    osc_port
        Where the daemon listens by the settings.
    settings_file, settings_problem
        The file of settings, and what is wrong with it; empty if nothing is.
    out_dirs, watched
        Where results go, and the folders that are watched.
    stream
        Whether the settings ask for the MIDI port.
    find_daemon
        Looks for a running daemon.
    plan
        How the service is installed on this system; None where nothing can be.
    run
        Runs the system's commands.
    """

    data_dir: Path
    config_dir: Path
    cache_dir: Path
    database: Path
    secret: Path
    log_file: Path
    osc_port: int
    settings_file: Path
    find_daemon: Callable[[], Running | None]
    settings_problem: str = ""
    out_dirs: tuple[Path, ...] = ()
    watched: tuple[Path, ...] = ()
    stream: bool = False
    plan: Plan | None = None
    run: Runner = field(default=run_command)


Check = Callable[[Scene], Iterable[Finding]]


def examine(scene: Scene, checks: Mapping[str, Check] | None = None) -> Iterator[Finding]:
    """Make all checks; a check that breaks is a finding too."""
    for name, check in (CHECKS if checks is None else checks).items():
        try:
            yield from check(scene)
        except Exception as error:  # the doctor must get to the end, most of all where much is broken
            said = str(error) if isinstance(error, BridgeError) else f"{type(error).__name__}: {error}"
            mend = f"make it readable for you: {error.filename}" if isinstance(error, PermissionError) else _REINSTALL
            yield Finding(name, "fail", f"can't be checked ({' '.join(said.split())})", mend)


def _python(scene: Scene) -> Iterator[Finding]:
    version = sys.version_info[:2]
    text = f"{sys.version.split()[0]} ({sys.executable})"
    if PYTHONS[0] <= version < PYTHONS[1]:
        yield Finding("Python", "ok", text)
    else:
        (low, first), (high, after) = PYTHONS
        yield Finding("Python", "fail", text, f"use Python {low}.{first} to {high}.{after - 1}")


def _libraries(scene: Scene) -> Iterator[Finding]:
    broken = False
    for line in probed("libraries", *LIBRARIES):
        if "error" in line:
            broken = True
            name = line["name"]
            lost = LIBRARIES.get(name, "nothing")
            text = f"{name} can't be imported: {line['error']}; " + (
                "without it nothing works" if lost == "nothing" else f"without it: no {lost}"
            )
            yield Finding("Libraries", "fail", text, _REINSTALL)
    if not broken:
        yield Finding("Libraries", "ok", f"all {len(LIBRARIES)} can be imported")


def _decoders(scene: Scene) -> Iterator[Finding]:
    for line in probed("decoders"):
        name = line["name"]
        if "error" in line:
            yield Finding("Decoders", "fail", f"{name}: {line['error']}", _REINSTALL)
            continue
        missing = [kind for kind in line["wanted"] if kind not in line["there"]]
        if missing:
            yield Finding("Decoders", "warn", f"{name} can't read {', '.join(missing)}", _REINSTALL)
        else:
            yield Finding("Decoders", "ok", f"{name} reads {', '.join(line['there'])}")


def _weights(scene: Scene) -> Iterator[Finding]:
    from bridge.separation.weights import describe, models_dir

    rows = describe()
    there = [row.name for row in rows if row.installed]
    for row in rows:
        if not row.installed and models_dir(row.name).is_dir():
            mend = f"stembridge models download {row.name}"
            yield Finding("Weights", "fail", f"{row.name} is incomplete or damaged in {models_dir(row.name)}", mend)
    if there:
        yield Finding("Weights", "ok", ", ".join(there))
    else:
        text = "none are installed, so songs are separated by the built-in separator"
        yield Finding("Weights", "warn", text, "better stems: stembridge models shows what there is")


def _settings(scene: Scene) -> Iterator[Finding]:
    if scene.settings_problem:
        yield Finding("Settings", "fail", scene.settings_problem, f"correct {scene.settings_file}")
    elif scene.settings_file.exists():
        yield Finding("Settings", "ok", str(scene.settings_file))
    else:
        yield Finding("Settings", "ok", f"no file of settings ({scene.settings_file}), so the defaults hold")


def _folders(scene: Scene) -> Iterator[Finding]:
    named = {"data": scene.data_dir, "settings": scene.config_dir, "cache": scene.cache_dir}
    for what, folder in [*named.items(), *(("results", folder) for folder in scene.out_dirs)]:
        name = f"Folder of {what}"
        there = nearest(folder)
        if there is None:
            yield Finding(name, "fail", f"the drive of {folder} isn't there", "connect it, or name another folder")
        elif not there.is_dir():
            yield Finding(name, "fail", f"{there} is no folder, but {folder} is to be in it", f"move {there} away")
        elif not os.access(there, os.W_OK | os.X_OK):
            yield Finding(name, "fail", f"{there} can't be written to", f"make it writable for you: {_writable(there)}")
        else:
            yield _space(name, folder, there)


def _space(name: str, folder: Path, there: Path) -> Finding:
    free = shutil.disk_usage(there).free
    text = f"{folder}, {free / 1e9:.1f} GB free"
    if free < SONG_BYTES:
        return Finding(name, "fail", text, "free some space: a song with its stems takes 0.7 GB")
    if free < LITTLE_BYTES:
        return Finding(name, "warn", text, "free some space soon: a song with its stems takes 0.7 GB")
    return Finding(name, "ok", text)


def _watched(scene: Scene) -> Iterator[Finding]:
    for folder in scene.watched:
        if not folder.is_dir():
            yield Finding("Watched folder", "fail", f"{folder} isn't there", "make it, or take it out of the settings")
        elif not os.access(folder, os.R_OK | os.X_OK):
            yield Finding("Watched folder", "fail", f"{folder} can't be read", "make it readable for you")
        else:
            yield Finding("Watched folder", "ok", str(folder))


def _secret(scene: Scene) -> Iterator[Finding]:
    if not scene.secret.exists():
        yield Finding("Secret", "ok", "not there yet; the first start of the daemon makes it")
    elif os.name != "nt" and scene.secret.stat().st_mode & 0o077:
        yield Finding("Secret", "fail", f"{scene.secret} can be read by others", f'chmod 600 "{scene.secret}"')
    else:
        yield Finding("Secret", "ok", f"{scene.secret} is yours alone")


def _database(scene: Scene) -> Iterator[Finding]:
    for aside in sorted(scene.database.parent.glob(f"{scene.database.name}.corrupt-*")):
        if not aside.name.endswith(("-wal", "-shm")):
            text = f"an earlier list of jobs was corrupt and was set aside as {aside}"
            yield Finding("Jobs", "warn", text, "ask again for what is missing, then delete that file")
    if not scene.database.exists():
        yield Finding("Jobs", "ok", "there is no list of jobs yet; the first start of the daemon makes it")
        return
    from bridge.jobs.store import peek

    try:
        jobs = peek(scene.database, 1000)
        with closing(sqlite3.connect(f"{scene.database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            sound = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except BridgeError as error:
        yield Finding("Jobs", "fail", *_parted(error))
        return
    except sqlite3.Error as error:
        sound = str(error)
    if sound != "ok":
        yield Finding("Jobs", "fail", f"{scene.database} is corrupt ({sound})", _CORRUPT_MEND)
    else:
        waiting = sum(not job.ended for job in jobs)
        yield Finding("Jobs", "ok", f"{len(jobs)} known, {waiting} of them not done yet ({scene.database})")


def _daemon(scene: Scene) -> Iterator[Finding]:
    running = scene.find_daemon()
    if running is None:
        yield Finding("Daemon", "warn", "does not run", "start it: stembridge serve, or stembridge service install")
        yield _port(scene.osc_port)
    elif running.answers:
        yield Finding("Daemon", "ok", f"runs as process {running.pid} and answers at UDP port {running.osc_port}")
        if running.osc_port != scene.osc_port and scene.osc_port:
            text = f"the settings say {scene.osc_port}, but the daemon that runs listens at {running.osc_port}"
            yield Finding("OSC port", "warn", text, "start it again, or choose that port in the device")
    else:
        text = f"process {running.pid} runs, but does not answer at UDP port {running.osc_port}"
        yield Finding("Daemon", "fail", text, f"stop it and start it again; its log is {scene.log_file}")


def _port(port: int) -> Finding:
    """Whether the port could be had; if not, in the daemon's own words."""
    from bridge.osc.server import bind_error

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
        try:
            trial.bind(("127.0.0.1", port))
        except OSError as error:
            return Finding("OSC port", "fail", *_parted(bind_error(port, error)))
    return Finding("OSC port", "ok", f"UDP port {port} is free")


def _midi(scene: Scene) -> Iterator[Finding]:
    verdict: Verdict = "fail" if scene.stream else "warn"
    for line in probed("midi"):
        if "error" in line:
            yield Finding("MIDI", verdict, line["error"], _REINSTALL)
            return
        rows = line["backends"]
        for row in (row for row in rows if not row["reason"]):
            ports = ", ".join(row["ports"]) or "none"
            can = "can make the port Stembridge" if row["virtual"] else "needs a loopback port"
            yield Finding("MIDI", "ok", f"{row['name']} {can}; ports there: {ports}")
        if all(row["reason"] for row in rows):
            reasons = "; ".join(f"{row['name']}: {row['reason']}" for row in rows)
            text = "no MIDI system works here, so notes can't be streamed; all else works"
            yield Finding("MIDI", verdict, text, reasons or _REINSTALL)


def _service(scene: Scene) -> Iterator[Finding]:
    if scene.plan is None:
        yield Finding("Service", "warn", "nothing here starts programs at login", "start it: stembridge serve")
        return
    found = status(scene.plan, scene.run)
    if found.installed and not found.enabled:
        yield Finding("Service", "warn", found.text, "stembridge service install")
    else:
        yield Finding("Service", "ok", found.text)


#: All checks, in the order in which they are shown.
CHECKS: Mapping[str, Check] = {
    "Python": _python,
    "Libraries": _libraries,
    "Decoders": _decoders,
    "Weights": _weights,
    "Settings": _settings,
    "Folders": _folders,
    "Watched folders": _watched,
    "Secret": _secret,
    "Jobs": _database,
    "Daemon": _daemon,
    "MIDI": _midi,
    "Service": _service,
}


def _parted(error: BridgeError) -> tuple[str, str]:
    """What is wrong, and what to do about it: a message says the one, then ``): ``, ``: `` or ``;``, then the other."""
    text = str(error)
    cut = next((at for mark in ("): ", ": ", "; ") if (at := text.find(mark)) >= 0), None)
    if cut is None:
        return text, "see the log"
    return text[: cut + 1].rstrip(":;"), text[cut + 1 :].lstrip(":; ")


def _writable(folder: Path) -> str:
    return f'chmod u+rwx "{folder}"' if os.name != "nt" else "Properties > Security"
