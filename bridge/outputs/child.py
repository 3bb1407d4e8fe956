"""A child process with pipes on both sides, out of reach of the terminal's Ctrl-C."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Sequence
from queue import SimpleQueue
from typing import IO

from bridge import children


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
        env=children.environment(),
        **children.apart(),
    )


class Mouth:
    """Speaks to a process in a thread of its own: one that hangs doesn't read, and must hold up nobody else.

    Parameters
    ----------
    process
        Whose standard input is written to, and closed in the end.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        self._pipe = process.stdin
        self._lines: SimpleQueue[bytes | None] = SimpleQueue()
        self._writing_since_s: float | None = None
        threading.Thread(target=self._write, name="stream-orders", daemon=True).start()

    def say(self, line: bytes) -> None:
        """Pass a line on, after those before; never waits. To a process that is gone nothing is said."""
        self._lines.put(line)

    def close(self) -> None:
        """Close the pipe once all is said; never waits."""
        self._lines.put(None)

    def stuck_for_s(self) -> float:
        """For how long the process has not taken what is said to it."""
        since_s = self._writing_since_s
        return 0.0 if since_s is None else time.monotonic() - since_s

    def _write(self) -> None:
        with contextlib.suppress(OSError), self._pipe as pipe:
            while (line := self._lines.get()) is not None:
                self._writing_since_s = time.monotonic()
                pipe.write(line)
                pipe.flush()
                self._writing_since_s = None
        self._writing_since_s = None


def stdout(process: subprocess.Popen[bytes]) -> IO[bytes]:
    """Where the process writes to."""
    assert process.stdout is not None
    return process.stdout
