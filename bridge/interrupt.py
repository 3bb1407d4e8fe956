"""Ctrl-C and SIGTERM: asked for once, they end the work in order; where that takes too long, they end the process.

Nothing is raised where a signal strikes: within an import or a library's callback that would be swallowed, and could
leave a lock taken for ever. A thread of its own is told by the interpreter's wake-up socket, even while the main thread
is deep in a library.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)
#: How long the work may take to end in order. Engines are asked several times a second; only loading a large library
#: takes longer, and that leaves nothing worth waiting for.
PATIENCE_S = 0.8


@contextmanager
def interruptible(give_up: Callable[[], None]) -> Iterator[threading.Event]:
    """An event that is set by the first signal.

    Parameters
    ----------
    give_up
        Called in another thread when the block has not ended `PATIENCE_S` after a signal; it cleans up, says so, and
        ends the process.
    """
    cancelled, finished = threading.Event(), threading.Event()
    listening, telling = socket.socketpair()
    telling.setblocking(False)

    def watch() -> None:
        if not listening.recv(1):
            return  # closed: the block has ended without a signal
        cancelled.set()
        if not finished.wait(PATIENCE_S):
            give_up()

    watcher = threading.Thread(target=watch, name="signals", daemon=True)
    before = {number: signal.signal(number, lambda *_: None) for number in SIGNALS}
    wakeup = signal.set_wakeup_fd(telling.fileno(), warn_on_full_buffer=False)
    watcher.start()
    try:
        yield cancelled
    finally:
        finished.set()
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        telling.close()
        watcher.join()
        listening.close()


def end_at_once(exit_code: int) -> None:
    """End the process without waiting for anything."""
    os._exit(exit_code)
