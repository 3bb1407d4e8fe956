"""A child process with pipes on both sides, out of reach of the terminal's Ctrl-C."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import bridge


def start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a program that is spoken to in lines.

    Raises
    ------
    OSError
        If the system can't start it.
    """
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # JACK's and ALSA's libraries write there; what matters comes as a report
        env=_environment(),
        **_apart(),
    )


def stdin(process: subprocess.Popen[bytes]) -> IO[bytes]:
    """Where the process reads from."""
    assert process.stdin is not None
    return process.stdin


def stdout(process: subprocess.Popen[bytes]) -> IO[bytes]:
    """Where the process writes to."""
    assert process.stdout is not None
    return process.stdout


def _environment() -> dict[str, str]:
    """The parent's, so completed that the child finds this package."""
    package_dir = str(Path(bridge.__file__).parents[1])
    search = os.pathsep.join(filter(None, [package_dir, os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": search}


def _apart() -> dict[str, Any]:
    """Popen's options for a process that the terminal's Ctrl-C doesn't reach: its parent ends it in order."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}
