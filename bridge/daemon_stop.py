"""The wish to end, as signals bring it, and that it is granted in time.

A signal's handler runs in the main thread between any two steps of whatever that does, so it must take no lock that the
main thread may hold: it counts, no more. The system itself writes a byte into a socket for each signal
(`signal.set_wakeup_fd`), on Windows too, and that is what is waited for.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Self

#: Signals that ask a program to end: Ctrl-C, the system, and a terminal that is closed.
_NAMES = ("SIGINT", "SIGTERM", "SIGBREAK" if sys.platform == "win32" else "SIGHUP")

_log = logging.getLogger(__name__)


class StopSignals:
    """Takes the signals that ask the process to end, for as long as it is entered; in the main thread only.

    A second signal ends the process at once. So does a first one after which the context isn't left in time: other
    processes end with this one, and the next start goes on with what was left.
    A signal that is ignored (``nohup``) stays so.

    Parameters
    ----------
    within_s
        How long ending may take.
    """

    def __init__(self, within_s: float) -> None:
        self._within_s = within_s
        self._count = 0
        self._left = threading.Event()

    def __enter__(self) -> Self:
        self._here, self._there = socket.socketpair()
        self._there.setblocking(False)
        self._fd_before = signal.set_wakeup_fd(self._there.fileno(), warn_on_full_buffer=False)
        numbers = [getattr(signal, name) for name in _NAMES]
        self._before = {number: signal.getsignal(number) for number in numbers}
        for number, handler in self._before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, self._on_signal)
        self._guard = threading.Thread(target=self._watch, name="stop-guard", daemon=True)
        self._guard.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._fd_before)
        self._left.set()
        self._there.send(b"\0")
        self._guard.join()
        self._here.close()
        self._there.close()

    def wait(self, timeout_s: float) -> bool:
        """Whether the process was asked to end, now or within the time."""
        deadline_s = time.monotonic() + timeout_s
        while not self._count and (left_s := deadline_s - time.monotonic()) > 0:
            select.select([self._here], [], [], left_s)  # readable for good once a signal came
        return self._count > 0

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        if self._count > 1:
            _end_now("a second signal came")

    def _watch(self) -> None:
        """The guard's thread."""
        select.select([self._here], [], [])
        if not self._left.wait(self._within_s):
            _end_now("it takes too long to end everything in order")


def _end_now(reason: str) -> None:
    """End the process, whatever goes on in it."""
    with suppress(Exception):  # the log may be just what hangs or is being written
        _log.warning("ending at once: %s", reason)
    os._exit(1)
