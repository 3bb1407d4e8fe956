"""Waiting for something slow (a child process, a server) without going deaf to cancellation."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from bridge.progress import Progress

_Item = TypeVar("_Item")

#: How long a cancellation may go unnoticed, in seconds; the promise is one second.
_POLL_S = 0.1
#: Items that may lie ready. It bounds the memory, and lets the slow side run on while the quick side works.
_AHEAD = 2


@dataclass(frozen=True, slots=True)
class _End:
    """The source gives no more, for this reason if there is one."""

    error: BaseException | None = None


def while_waiting(source: Callable[[], Iterator[_Item]], progress: Progress) -> Iterator[_Item]:
    """The items of ``source()``, which runs in a thread of its own and may block for as long as it likes.

    An item that arrives is a sign of life, waiting for one is none: a source that hangs looks like one from outside.

    What `source` raises is raised here. When this generator ends early (closed, or cancelled through `progress`), the
    thread is left to itself and ends with its next item; so the caller makes the source stop blocking (kills the child,
    or has given the connection a timeout). It is a daemon thread: it never keeps the program alive.
    """
    ready: queue.Queue[_Item | _End] = queue.Queue(_AHEAD)
    left = threading.Event()

    def put(item: _Item | _End) -> None:
        while not left.is_set():
            try:
                ready.put(item, timeout=_POLL_S)
            except queue.Full:
                continue
            return

    def run() -> None:
        try:
            for item in source():
                put(item)
                if left.is_set():
                    return
            put(_End())
        except BaseException as error:  # handed over, and raised where the items are taken
            put(_End(error))

    threading.Thread(target=run, name="while-waiting", daemon=True).start()
    try:
        while True:
            progress.heed()
            try:
                item = ready.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            progress.check()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        left.set()
