"""Orders carried out in threads: those of one device one after the other, those of several side by side.

A file on a network drive that sleeps, or is gone, keeps waiting whoever asks for it, and for minutes. It must not keep
another device waiting, nor the loop.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from bridge.osc.orders import Order


class Lanes:
    """A thread for each device as long as there is something to do for it, and none otherwise.

    Parameters
    ----------
    carry_out
        Does an order, in a thread of its device; never raises.
    """

    def __init__(self, carry_out: Callable[[Order], None]) -> None:
        self._carry_out = carry_out
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[Order]] = {}  # of each device that has a thread
        self._threads: dict[str, threading.Thread] = {}
        self._stopping = False

    def put(self, order: Order) -> None:
        """Have it carried out; returns at once."""
        owner = order.key[0]
        with self._lock:
            if self._stopping:
                return
            if owner in self._waiting:
                self._waiting[owner].append(order)
                return
            self._waiting[owner] = deque([order])
            thread = threading.Thread(target=self._work, args=[owner], name=f"osc-{owner}", daemon=True)
            self._threads[owner] = thread
        thread.start()

    def stop(self, timeout_s: float) -> None:
        """Begin nothing more, and wait for what is being done, but not for longer than the timeout."""
        deadline_s = time.monotonic() + timeout_s
        with self._lock:
            self._stopping = True
            threads = list(self._threads.values())
        for thread in threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline_s - time.monotonic()))

    def _work(self, owner: str) -> None:
        while True:
            with self._lock:
                waiting = self._waiting[owner]
                if self._stopping or not waiting:
                    del self._waiting[owner], self._threads[owner]
                    return
                order = waiting.popleft()
            self._carry_out(order)
