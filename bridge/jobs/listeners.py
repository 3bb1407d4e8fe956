"""Who wants to know of jobs, and the thread that tells them."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

from bridge.jobs.model import JobEvent

Listener = Callable[[JobEvent], None]

_log = logging.getLogger(__name__)


class Listeners:
    """Tells listeners one event at a time, in order. Little waits to be told: newer progress replaces older."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._listeners: list[Listener] = []
        self._waiting: deque[JobEvent] = deque()
        self._stopping = False
        self._thread = threading.Thread(target=self._tell_all, name="jobs-events", daemon=True)

    def add(self, listener: Listener) -> Callable[[], None]:
        """Tell a listener of everything from now on, until what comes back is called."""
        entry: Listener = lambda event: listener(event)  # noqa: E731  (one of its own for each call of `add`)
        with self._lock:
            self._listeners.append(entry)

        def remove() -> None:
            with self._lock:
                if entry in self._listeners:
                    self._listeners.remove(entry)

        return remove

    def tell(self, event: JobEvent) -> None:
        """Have the listeners told, soon."""
        with self._lock:
            last = self._waiting[-1] if self._waiting else None
            if last and last.kind == event.kind == "progress" and last.job.id == event.job.id:
                self._waiting[-1] = event
            else:
                self._waiting.append(event)
            self._lock.notify_all()

    def start(self) -> None:
        """Begin to tell."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Tell what waits, then end; give up after the timeout."""
        with self._lock:
            self._stopping = True
            self._lock.notify_all()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    def _tell_all(self) -> None:
        while True:
            with self._lock:
                while not self._waiting:
                    if self._stopping:
                        return
                    self._lock.wait()
                event = self._waiting.popleft()
                listeners = tuple(self._listeners)
            for listener in listeners:
                try:
                    listener(event)
                except Exception:  # one listener's trouble must not be the others'
                    _log.exception("a listener failed on job %s (%s)", event.job.id, event.kind)
