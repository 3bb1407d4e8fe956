"""Scores as pages: SVG and PDF, made of MusicXML in a child process (`bridge.deliver.engrave_child`)."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import bridge
from bridge.deliver.engrave_child import Job
from bridge.errors import EngineFailed
from bridge.progress import Progress
from bridge.separation.waiting import while_waiting


def engrave(job: Job, progress: Progress) -> None:
    """Do a job: afterwards its folder holds ``<score>-01.svg`` and so on, and ``<score>.pdf``.

    Raises
    ------
    EngineFailed
        If the engraver breaks down.
    """
    expected = sum(len(pieces) for pieces in job.scores.values()) * _PAGES_PER_PIECE
    with tempfile.TemporaryFile() as complaints, _child(complaints) as process:
        for pages, _ in enumerate(while_waiting(lambda: _talk(process, job), progress), 1):
            progress.at(pages / (pages + expected / pages))
        if code := process.wait():
            raise EngineFailed(f"engraving the score failed ({_reason(code, complaints)}); deliver without score")
    progress.at(1.0)


#: Pages that a piece is expected to have, for saying how far it is.
_PAGES_PER_PIECE = 6


@contextlib.contextmanager
def _child(complaints: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """The child process; leaving the context ends it."""
    # Never the working directory (-P): a file named typst.py may lie there. This package has to be found, though.
    package_dir = str(Path(bridge.__file__).parents[1])
    search = os.pathsep.join(filter(None, [package_dir, os.environ.get("PYTHONPATH")]))
    process = subprocess.Popen(
        [sys.executable, "-P", "-W", "ignore", "-m", "bridge.deliver.engrave_child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=complaints,
        env={**os.environ, "PYTHONPATH": search},
        # Ctrl-C is for the parent, which then ends the child; and no window opens on Windows.
        start_new_session=True,
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdin is not None
        with contextlib.suppress(OSError):  # what it never read
            process.stdin.close()


def _talk(process: subprocess.Popen[bytes], job: Job) -> Iterator[bytes]:
    """Send the job and give a line for each page, from a thread of its own: it owns the child's standard output."""
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdout as stdout:
        try:
            process.stdin.write(job.to_line())
            process.stdin.flush()
        except OSError:
            return  # it is dead already: that is told by its exit code
        yield from stdout


def _reason(code: int, complaints: IO[bytes]) -> str:
    """Why a child ended with a code other than 0."""
    if code == -9:  # SIGKILL, which Windows' signal module lacks
        return "the system ended it, most likely for want of memory: close other programs"
    if code < 0:
        return f"it crashed with signal {-code}"
    complaints.seek(0)
    lines = complaints.read().decode("utf-8", "replace").split("\n")
    return next((line.strip()[:300] for line in reversed(lines) if line.strip()), f"it ended with code {code}")
