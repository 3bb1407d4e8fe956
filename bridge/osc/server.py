"""The daemon's UDP port: a socket, threads and a clock around the `Switchboard`.

One thread, the loop, owns the switchboard: it waits for datagrams, for news and for what is due, and never does
anything that could wait for something else. Others, one for each device that wants something (`bridge.osc.lanes`), deal
with the queue and with files. News (events of the queue, reports of what was done) reach the loop through a list and a
wake-up call.
"""

from __future__ import annotations

import errno
import logging
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from bridge import __version__
from bridge.errors import BridgeError, InvalidRequest
from bridge.osc.lanes import Lanes
from bridge.osc.orders import Clerk, Done, Order, Queue, Tell, ToSpec
from bridge.osc.protocol import DAEMON_PORT, MAX_DATAGRAM_BYTES, PORT_RANGE
from bridge.osc.shelf import Shelf
from bridge.osc.switchboard import Switchboard

if TYPE_CHECKING:
    from bridge.jobs.model import Job, JobEvent

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"

#: Asked of the system for datagrams that wait: a long request's parts, but not so many of a flood that answers come
#: late.
RECEIVE_BUFFER_BYTES = 1 << 20

#: Datagrams dealt with before timers and news get their turn: a few milliseconds of work.
BATCH = 32

#: Devices' jobs that are looked at on start, the newest: what ended unacknowledged is told again.
KNOWN_JOBS = 200

#: How often that is tried while the list of jobs is locked.
RECALL_EVERY_S = 1.0

#: How long leaving waits for what the disk keeps waiting; it is kept or not, as the queue has it.
STOP_S = 1.0

News = Callable[[Switchboard, float], None]


class OscServer:
    """Serves devices on 127.0.0.1 for as long as it is entered.

    Parameters
    ----------
    jobs
        The queue that requests go to.
    secret
        The user's secret, ASCII; a hello without it is refused.
    to_spec
        Turns a request into what is to be converted; decides which files may be read and written.
    shelf
        Folder for copies of files whose own path is too long to be told; it need not exist.
    port
        UDP port, 0 for any free one; see the attribute `port` for which it is.
    features
        What the daemon can do beyond protocol version 1, for the welcome.
    clock
        Seconds that only grow.

    Examples
    --------
    ::

        with JobQueue(...) as jobs, OscServer(jobs, secret, to_spec, folder) as server:
            print(server.port)
    """

    def __init__(
        self,
        jobs: Queue,
        secret: str,
        to_spec: ToSpec,
        shelf: Path,
        *,
        port: int = DAEMON_PORT,
        features: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not secret:
            raise ValueError("the secret must not be empty")
        if not 0 <= port <= PORT_RANGE[1]:
            raise InvalidRequest(f"an OSC port is 0 to {PORT_RANGE[1]}, got {port}")
        self._jobs = jobs
        self._secret = secret
        self._clerk = Clerk(jobs, to_spec, Shelf(shelf))
        self._port = port
        self._features = tuple(features)
        self._clock = clock
        self._news: deque[News] = deque()
        self._lanes = Lanes(self._carry_out)
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._unsubscribe: Callable[[], None] | None = None

    @property
    def port(self) -> int:
        """The UDP port that is listened on; before the server is entered, the one that was asked for."""
        return self._port

    def __enter__(self) -> Self:
        self._socket = _bound(self._port)
        self._port = self._socket.getsockname()[1]
        self._wake_here, self._wake_there = socket.socketpair()
        self._wake_here.setblocking(False)
        self._wake_there.setblocking(False)
        self._switchboard = Switchboard(self._secret, self._port, __version__, self._features)
        try:
            self._unsubscribe = self._jobs.subscribe(self._on_event)
            recalled = self._recalled()
        except BaseException:
            self._close()
            raise
        self._threads = [threading.Thread(target=self._loop, name="osc", daemon=True)]
        if recalled is None:
            self._threads.append(threading.Thread(target=self._recall, name="osc-recall", daemon=True))
        else:
            self._switchboard.jobs_known(recalled)
        for thread in self._threads:
            thread.start()
        log.info("OSC: listening on %s:%d", LOOPBACK, self._port)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._wake()
        self._lanes.stop(STOP_S)
        for thread in self._threads:
            thread.join(STOP_S)
        self._close()

    def _close(self) -> None:
        if self._unsubscribe is not None:
            self._unsubscribe()
        for end in (self._socket, self._wake_here, self._wake_there):
            end.close()

    # Other threads

    def _on_event(self, event: JobEvent) -> None:
        """The queue's listener."""
        if event.kind != "found":  # devices get notes with the result
            self._tell_loop(lambda switchboard, now_s: switchboard.job_moved(event.job, now_s))

    def _carry_out(self, order: Order) -> None:
        """What a lane does."""
        done = self._clerk.carry_out(order)
        self._tell_loop(lambda switchboard, now_s: _note(switchboard, done, now_s))

    def _recalled(self) -> list[Job] | None:
        """What devices asked for before this start, and what else hasn't ended; None while the queue can't tell."""
        try:
            ended = [job for job in self._jobs.jobs(KNOWN_JOBS, "osc") if job.ended]
        except BridgeError:  # the queue says why
            return None
        return [*self._jobs.active(), *ended]

    def _recall(self) -> None:
        """Ask the queue again until it can tell."""
        recalled = None
        while recalled is None:
            if self._stopping.wait(RECALL_EVERY_S):
                return
            recalled = self._recalled()
        known = recalled
        self._tell_loop(lambda switchboard, now_s: switchboard.jobs_known(known))

    def _tell_loop(self, news: News) -> None:
        self._news.append(news)
        self._wake()

    def _wake(self) -> None:
        with suppress(OSError):  # full: the loop is about to wake up anyway; closed: it has ended
            self._wake_there.send(b"\0")

    # The loop's thread

    def _loop(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            selector.register(self._wake_here, selectors.EVENT_READ)
            while not self._stopping.is_set():
                next_s = self._switchboard.next_s()
                ready = selector.select(None if next_s is None else max(0.0, next_s - self._clock()))
                if any(key.fileobj is self._wake_here for key, _ in ready):
                    self._hear_news()
                if any(key.fileobj is self._socket for key, _ in ready):
                    self._receive()
                self._guarded(lambda switchboard, now_s: switchboard.tick(now_s))
                self._hand_out()
        self._guarded(lambda switchboard, now_s: switchboard.say_goodbye())
        self._hand_out()

    def _hear_news(self) -> None:
        with suppress(OSError):
            self._wake_here.recv(4096)  # before the list is emptied: news that comes meanwhile wakes again
        while self._news:
            self._guarded(self._news.popleft())

    def _receive(self) -> None:
        for _ in range(BATCH):
            try:
                datagram, sender = self._socket.recvfrom(MAX_DATAGRAM_BYTES + 1)
            except BlockingIOError:
                return
            except OSError:  # on Windows: larger than that, or nobody listens where something was sent to
                self._guarded(lambda switchboard, now_s: switchboard.dropped("socket-error", now_s))
                continue
            self._take(datagram, sender[0])

    def _take(self, datagram: bytes, host: str) -> None:
        self._guarded(lambda switchboard, now_s: switchboard.receive(datagram, host, now_s))

    def _guarded(self, step: News) -> None:
        """Do one step; a mistake in it costs this step and a line in the log, not the service."""
        now_s = self._clock()
        try:
            step(self._switchboard, now_s)
        except Exception:
            if not self._switchboard.tally.total["internal"]:
                log.exception("OSC: a message or event could not be dealt with")
            self._switchboard.dropped("internal", now_s)

    def _hand_out(self) -> None:
        outbox = self._switchboard.outbox
        for order in outbox.orders:
            self._lanes.put(order)
        outbox.orders.clear()
        for port, datagram in outbox.outgoing:
            try:
                self._socket.sendto(datagram, (LOOPBACK, port))
            except OSError:  # no room for it now; what matters is sent again
                self._switchboard.dropped("not-sent", self._clock())
        outbox.outgoing.clear()


def _note(switchboard: Switchboard, done: Done, now_s: float) -> None:
    """What the clerk did, told to the switchboard."""
    if done.accepted:
        switchboard.job_accepted(done.order.key, now_s)
    if done.ending is not None:
        switchboard.job_ended(done.order.key, done.ending, now_s)
    if not isinstance(done.order, Tell):
        switchboard.order_done(done.order)


def _bound(port: int) -> socket.socket:
    """A UDP socket on loopback, for this process alone."""
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # Windows: else another program could take the same port
            made.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        made.setblocking(False)
        made.bind((LOOPBACK, port))
    except OSError as error:
        made.close()
        raise bind_error(port, error) from error
    return made


def bind_error(port: int, error: OSError) -> BridgeError:
    """Why a port can't be had, and what to do."""
    taken = {errno.EADDRINUSE, getattr(errno, "WSAEADDRINUSE", 0)}
    if error.errno in taken or (
        error.errno == errno.EACCES and port >= PORT_RANGE[0]
    ):  # Windows says EACCES for it too
        return InvalidRequest(
            f"UDP port {port} is taken, most likely by another Stembridge or another OSC program: stop that one, "
            "or give another port (--osc-port 0 picks a free one)"
        )
    return InvalidRequest(f"UDP port {port} can't be used ({error.strerror}): --osc-port 0 picks a free one")
