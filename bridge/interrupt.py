"""Ctrl-C, SIGTERM and a closed terminal: asked for once, they end the work in order; too slow work ends the process.

Nothing is raised where a signal strikes: within an import or a library's callback that would be swallowed, and could
leave a lock taken for ever. Nor is an event set there, which waits for ever if the main thread was just using it. A
thread of its own is told by the interpreter's wake-up socket, on Windows too, even while the main thread is deep in a
library.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

# What a terminal that is closed sends.
if sys.platform == "win32":
    HANG_UP = signal.SIGBREAK
else:
    HANG_UP = signal.SIGHUP
#: What asks a program to end.
SIGNALS = (signal.SIGINT, signal.SIGTERM, HANG_UP)
#: How long a conversion may take to end in order. Engines are asked several times a second; only loading a large
#: library takes longer, and that leaves nothing worth waiting for.
PATIENCE_S = 0.8
#: Signals so soon after the first are the same wish: ``timeout`` sends its own to the process and to its group.
SAME_WISH_S = 0.5


@contextmanager
def interruptible(
    give_up: Callable[[str], None],
    *,
    patience_s: float = PATIENCE_S,
    heeds_second: bool = False,
    signals: Collection[signal.Signals] = SIGNALS,
) -> Iterator[threading.Event]:
    """An event that is set by the first signal; in the main thread only.

    A hang-up that is ignored (``nohup``) stays so.

    Parameters
    ----------
    give_up
        Called in another thread, with the reason, when the block doesn't end in time; it cleans up, says so, and ends
        the process.
    patience_s
        How long the block may take to end after the first signal.
    heeds_second
        Whether a second signal, `SAME_WISH_S` after the first or later, ends that time at once. It is for work that
        takes long to end.
    signals
        Those that are meant; others stay as they are.
    """
    asked = threading.Event()
    listening, telling = socket.socketpair()
    telling.setblocking(False)

    def watch() -> None:
        if not listening.recv(1):
            return  # closed: the block has ended without a signal
        asked.set()
        first_s = time.monotonic()
        deadline_s = first_s + patience_s
        while (left_s := deadline_s - time.monotonic()) > 0:
            listening.settimeout(left_s)
            try:
                if not listening.recv(1):
                    return  # the block has ended in time
            except TimeoutError:
                break
            if heeds_second and time.monotonic() - first_s >= SAME_WISH_S:
                give_up("a second signal came")
                return
        give_up("it takes too long to end everything in order")

    watcher = threading.Thread(target=watch, name="signals", daemon=True)
    before = {number: signal.getsignal(number) for number in signals}
    if before.get(HANG_UP) is signal.SIG_IGN:
        del before[HANG_UP]
    for number in before:
        signal.signal(number, lambda *_: None)
    wakeup = signal.set_wakeup_fd(telling.fileno(), warn_on_full_buffer=False)
    watcher.start()
    try:
        yield asked
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        telling.close()
        watcher.join()
        listening.close()


def end_at_once(exit_code: int) -> None:
    """End the process without waiting for anything."""
    os._exit(exit_code)
