"""The daemon as the user's own commands meet it: found by its discovery file, asked over OSC as a device would ask.

A device may only stop jobs of its own. Commands say hello as `COMMAND_INST`, with the user's secret like all, and may
stop any: they name a job by its `handle_of`, and `CommandQueue`, through which the OSC server sees the queue, knows
which one is meant. They may also ask for what any job did to be done again; such a job's name begins with `AGAIN`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import socket
import sys
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

from bridge import __version__
from bridge.errors import BridgeError, InvalidRequest
from bridge.jobs.refusals import UnknownJob
from bridge.osc.codec import Packet, ProtocolError, Value, decode, encode, unescape
from bridge.osc.orders import ToSpec, job_id, key_of
from bridge.osc.protocol import MAX_DATAGRAM_BYTES, OLDEST_VERSION, PROTOCOL_VERSION
from bridge.osc.sessions import owner_of

if TYPE_CHECKING:
    from bridge.jobs.model import Job, JobEvent, JobSpec, Origin
    from bridge.jobs.queue import JobQueue

#: Commands are one instance, whichever runs.
COMMAND_INST = "stembridge-command"
_COMMAND_OWNER = owner_of(COMMAND_INST)
#: How the names of jobs begin that commands ask for; a handle has none of these letters but two.
AGAIN = "again-"
#: Jobs among which a handle is looked for.
KNOWN_JOBS = 1000
#: What is unanswered for so long is sent again, and how long all of it may take. The daemon answers within 0.1 s unless
#: its disk is slow.
AGAIN_S = 0.3
TIMEOUT_S = 5.0


class NoAnswer(BridgeError):
    """The daemon runs, but doesn't answer, or not as it should."""

    code = "no-answer"


def handle_of(job_id: str) -> str:
    """The name by which commands mean a job of the queue: 40 hexadecimal digits, whatever its id."""
    return hashlib.blake2b(job_id.encode(), digest_size=20).hexdigest()


def new_id() -> str:
    """A new id for a job of the queue that a command asks for."""
    return job_id((_COMMAND_OWNER, f"{AGAIN}{secrets.token_hex(8)}"))


class CommandQueue:
    """The queue as the OSC server sees it: a job's id may be a handle where a command asks.

    Parameters
    ----------
    queue
        The queue.
    """

    def __init__(self, queue: JobQueue) -> None:
        self._queue = queue

    def submit(self, job_id: str, origin: Origin, spec: JobSpec) -> Job:
        """Keep a job; a command's goes after those of devices."""
        return self._queue.submit(job_id, "command" if _is_of_command(job_id) else origin, spec)

    def cancel(self, job_id: str) -> Job:
        """Stop a job."""
        return self._queue.cancel(job_id)

    def get(self, job_id: str) -> Job | None:
        """The job with an id, or the one that a command means with a handle.

        Raises
        ------
        UnknownJob
            If a handle is no job's.
        """
        key = key_of(job_id)
        if key is None or not _is_of_command(job_id) or key[1].startswith(AGAIN):
            return self._queue.get(job_id)
        for job in (*self._queue.active(), *self._queue.jobs(KNOWN_JOBS)):
            if handle_of(job.id) == key[1]:
                return job
        raise UnknownJob("there is no such job; it may have been forgotten since it ended")

    def active(self) -> list[Job]:
        """The jobs that haven't ended."""
        return self._queue.active()

    def jobs(self, limit: int, origin: Origin | None = None) -> list[Job]:
        """The newest jobs, newest first."""
        return self._queue.jobs(limit, origin)

    def spec(self, request: bytes, job_id: str, of_device: ToSpec) -> JobSpec:
        """What is to be done for a request: for a command's, what an earlier job did; for a device's, `of_device`.

        Raises
        ------
        InvalidRequest
            If there is no such job, or the request makes no sense.
        """
        if not _is_of_command(job_id):
            return of_device(request, job_id)
        try:
            wanted = self._queue.get(str(json.loads(request)["again"]))
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidRequest("the request names no job") from error
        if wanted is None:
            raise UnknownJob("there is no such job; it may have been forgotten since it ended")
        return wanted.spec

    def subscribe(self, listener: Callable[[JobEvent], None]) -> Callable[[], None]:
        """Have each event told."""
        return self._queue.subscribe(listener)


def _is_of_command(job_id: str) -> bool:
    key = key_of(job_id)
    return key is not None and key[0] == _COMMAND_OWNER


class Peer:
    """A session with the daemon, for as long as it is entered.

    Parameters
    ----------
    port
        The daemon's OSC port on 127.0.0.1.
    secret
        The user's.
    timeout_s
        How long an answer may take.

    Raises
    ------
    NoAnswer
        On entry, if the daemon doesn't answer or refuses.
    """

    def __init__(self, port: int, secret: str, timeout_s: float = TIMEOUT_S) -> None:
        self._to = ("127.0.0.1", port)
        self._secret = secret
        self._timeout_s = timeout_s
        # The same for all commands, so that the daemon keeps one session for them and not one for each. It is as hard
        # to guess as the secret.
        self._token = hmac.new(secret.encode(), b"token of commands", "sha256").hexdigest()

    def __enter__(self) -> Self:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.bind(("127.0.0.1", 0))
            self._open()
        except BaseException:
            self._socket.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def cancel(self, job_id: str) -> str:
        """Have a job of the queue stopped; the code of its end, which is ``cancelled`` unless it ended before."""
        job = handle_of(job_id)
        order = encode("job/cancel", token=self._token, job=job)
        end = self._ask(order, {"job/result", "job/error"}, {"job": job})
        self._socket.sendto(encode("job/resultack", token=self._token, job=job), self._to)
        return "done" if end.name == "job/result" else end.text("code")

    def again(self, job_id: str) -> str:
        """Have what a job did done again, by a new job; its id.

        Raises
        ------
        BridgeError
            If the daemon can't take it, with the reason.
        """
        identity = new_id()
        _, job = key_of(identity) or ("", "")
        request = quote(json.dumps({"again": job_id}), safe="")
        order = encode("job/part", token=self._token, job=job, idx=0, total=1, chunk=request)
        answer = self._ask(order, {"job/accepted", "job/error", "job/result"}, {"job": job})
        if answer.name == "job/error":
            self._socket.sendto(encode("job/resultack", token=self._token, job=job), self._to)
            raise BridgeError(f"{job_id} can't be done again: {unescape(answer.text('text'))}")
        return identity

    def _open(self) -> None:
        answer = self._ask(self._hello(), {"welcome", "refuse"}, {})
        if answer.name == "refuse":
            raise NoAnswer(f"the daemon refuses commands: {unescape(answer.text('text'))}")

    def _hello(self) -> bytes:
        facts = {
            "dev": __version__,
            "proto_min": OLDEST_VERSION,
            "proto_max": PROTOCOL_VERSION,
            "live": "",
            "max": "",
            "os": sys.platform,
            "inst": COMMAND_INST,
            "rx": self._socket.getsockname()[1],
            "secret": self._secret,
            "token": self._token,
        }
        return encode("hello", json=json.dumps(facts))

    def _ask(self, question: bytes, names: set[str], wanted: Mapping[str, Value]) -> Packet:
        """The first answer of one of these names that has the wanted values; the question is sent again and again."""
        deadline_s = time.monotonic() + self._timeout_s
        while time.monotonic() < deadline_s:
            self._send(question)
            again_s = time.monotonic() + AGAIN_S
            while (left_s := again_s - time.monotonic()) > 0:
                answer = self._received(left_s)
                if answer and answer.name in names and all(answer.values[key] == wanted[key] for key in wanted):
                    return answer
        raise NoAnswer(
            f"the daemon does not answer at UDP port {self._to[1]}; try again, or start it again; its log says more"
        )

    def _send(self, datagram: bytes) -> None:
        try:
            self._socket.sendto(datagram, self._to)
        except ConnectionError:  # Windows says here that nobody listened to the one before
            time.sleep(AGAIN_S)

    def _received(self, timeout_s: float) -> Packet | None:
        """What comes within the time, from the daemon and with our token; None if nothing does."""
        self._socket.settimeout(max(timeout_s, 0.001))
        try:
            datagram, sender = self._socket.recvfrom(MAX_DATAGRAM_BYTES + 1)
            packet = decode(datagram, "device")
        except (TimeoutError, ConnectionError, ProtocolError):
            return None
        return packet if sender == self._to and packet.values.get("token") == self._token else None


def answers(port: int, secret: str, timeout_s: float = TIMEOUT_S) -> bool:
    """Whether a daemon of this user listens at a port."""
    try:
        with Peer(port, secret, timeout_s):
            return True
    except NoAnswer:
        return False
