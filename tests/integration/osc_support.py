"""What the OSC tests share: a queue in memory, a device that speaks through python-osc, a bad network between them."""

from __future__ import annotations

import heapq
import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, unquote

import msgspec
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder

from bridge.errors import BridgeError, InvalidRequest
from bridge.jobs.model import Job, JobEvent, JobSpec
from bridge.osc.codec import encode
from bridge.osc.protocol import MESSAGES
from bridge.osc.server import OscServer

PREFIX = "/stembridge/1/"
SECRET = "user-secret-0123456789"


class Full(BridgeError):
    """The queue's limit is reached."""

    code = "busy"


class MemoryQueue:
    """A queue whose jobs move on when the test says so."""

    def __init__(self, limit: int = 1000) -> None:
        self.limit = limit
        self.submissions: list[str] = []
        self._all: dict[str, Job] = {}
        self._listeners: list[Callable[[JobEvent], None]] = []
        self._changed = threading.Condition()

    def submit(self, job_id: str, origin: Any, spec: JobSpec) -> Job:
        if job_id in self._all:
            return self._all[job_id]
        if sum(not job.ended for job in self._all.values()) >= self.limit:
            raise Full("The queue is full.")
        self.submissions.append(job_id)
        return self._set(Job(job_id, origin, 0, spec), "accepted")

    def cancel(self, job_id: str) -> Job:
        job = self._all[job_id]
        return job if job.ended else self.move(job_id, "ended", state="cancelled")

    def get(self, job_id: str) -> Job | None:
        return self._all.get(job_id)

    def active(self) -> list[Job]:
        return [job for job in self._all.values() if not job.ended]

    def jobs(self, limit: int, origin: Any = None) -> list[Job]:
        return [job for job in reversed(self._all.values()) if origin in (None, job.origin)][:limit]

    def subscribe(self, listener: Callable[[JobEvent], None]) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def move(self, job_id: str, kind: Any, **changes: Any) -> Job:
        """A job's next event: `changes` are the job's new values."""
        return self._set(msgspec.structs.replace(self._all[job_id], **changes), kind)

    def wait(self, count: int, timeout_s: float = 10.0) -> list[str]:
        """The ids of the first `count` jobs, as soon as they are there."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.submissions) >= count, timeout_s), "no job came"
        return self.submissions[:count]

    def _set(self, job: Job, kind: Any) -> Job:
        with self._changed:
            self._all[job.id] = job
            self._changed.notify_all()
        for listener in list(self._listeners):
            listener(JobEvent(job, kind))
        return job


def to_spec(request: bytes, job_id: str) -> JobSpec:
    """A request names its file, and nothing else is looked at."""
    try:
        return JobSpec(json.loads(request)["file_path"], str(Path("/out").absolute()), name=job_id)
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidRequest("the request names no file") from error


def message(name: str, *args: int | str) -> bytes:
    """A datagram, by python-osc."""
    builder = OscMessageBuilder(PREFIX + name)
    for arg in args:
        builder.add_arg(arg)
    return builder.build().dgram


def chunks_of(request: dict[str, Any], size: int = 800) -> list[str]:
    """A request as its parts carry it."""
    text = quote(json.dumps(request), safe="")
    return [text[start : start + size] for start in range(0, len(text), size)]


class Device:
    """A device on a port of its own; sends to the daemon's port or to a relay's."""

    def __init__(self, port: int, inst: str = "inst-a", token: str = "token-aaaa") -> None:
        self._to = ("127.0.0.1", port)
        self.inst, self.token = inst, token
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.rx: int = self.socket.getsockname()[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def hello(self, **changes: Any) -> None:
        self.send_raw(message("hello", json.dumps(hello(inst=self.inst, token=self.token, rx=self.rx) | changes)))

    def send(self, name: str, *args: int | str) -> None:
        self.send_raw(message(name, self.token, *args))

    def send_raw(self, datagram: bytes) -> None:
        self.socket.sendto(datagram, self._to)

    def open(self) -> dict[str, Any]:
        """Say hello; gives what the welcome says."""
        self.hello()
        welcome: dict[str, Any] = json.loads(self.expect("welcome")[0])
        return welcome

    def request(self, job: str, **facts: Any) -> None:
        """Send a request, each part once."""
        parts = chunks_of({"file_path": str(Path("/music/song.wav").absolute())} | facts)
        for index, chunk in enumerate(parts):
            self.send("job/part", job, index, len(parts), chunk)

    def receive(self, timeout_s: float = 10.0) -> tuple[str, list[Any]] | None:
        """The next message's name and arguments without the token; None if none comes in time."""
        self.socket.settimeout(max(timeout_s, 1e-3))
        try:
            datagram = self.socket.recv(4096)
        except TimeoutError:
            return None
        parsed = OscMessage(datagram)
        assert len(datagram) <= 1024
        assert parsed.address.startswith(PREFIX)
        token, *values = parsed.params
        assert token == self.token
        return parsed.address.removeprefix(PREFIX), values

    def expect(self, name: str, timeout_s: float = 10.0) -> list[Any]:
        """The arguments of the next message of a name; others are passed over."""
        deadline_s = time.monotonic() + timeout_s
        while (left_s := deadline_s - time.monotonic()) > 0:
            got = self.receive(left_s)
            if got is not None and got[0] == name:
                return got[1]
        raise AssertionError(f"no {name} came")


def hello(**changes: Any) -> dict[str, Any]:
    """The members of a good hello."""
    good = {"dev": "1.0", "proto_min": 1, "proto_max": 1, "live": "12.2", "max": "9.0", "os": "test", "inst": "inst-a"}
    return good | {"rx": 17901, "secret": SECRET, "token": "token-aaaa"} | changes


def left_out(server: OscServer) -> dict[str, int]:
    """How many datagrams and hellos a server left out, by reason."""
    return dict(server._switchboard.tally.total)


def text(value: str) -> str:
    """A percent-encoded argument's text."""
    return unquote(value, errors="strict")


def garbage(count: int, token: str, seed: int) -> Iterator[bytes]:
    """Random bytes, and messages with bytes changed: some of a stranger, some of a device in session."""
    chance = random.Random(seed)
    good = [
        encode("ping", token=token, inst="inst-a", seq=1),
        encode("job/part", token=token, job="junk", idx=3, total=9, chunk="%7B" * 100),
        encode("job/cancel", token=token, job="junk"),
        encode("job/resultack", token=token, job="junk"),
        encode("hello", json=json.dumps(hello(secret="wrong", rx=9))),
        *(message(row.name, *(5 if arg.tag == "i" else "x" * 8 for arg in row.args)) for row in MESSAGES),
        b"#bundle\0" + bytes(8),
    ]
    for _ in range(count):
        if chance.random() < 0.3:
            yield chance.randbytes(chance.randrange(1, 1400))
            continue
        data = bytearray(chance.choice(good))
        for _ in range(chance.randrange(1, 5)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        yield bytes(data[: chance.choice([len(data), len(data), chance.randrange(len(data) + 1)])])


class BadNetwork:
    """Carries datagrams between one device and the daemon; loses, doubles and delays each with a probability.

    What it does to which datagram comes from a seed.
    """

    def __init__(self, daemon_port: int, device_port: int, rate: float, seed: int) -> None:
        self._random, self._rate = random.Random(seed), rate
        self._sides = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        for side in self._sides:
            side.bind(("127.0.0.1", 0))
        self.for_device, self.for_daemon = (side.getsockname()[1] for side in self._sides)
        self._targets = (daemon_port, device_port)
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._carry, args=(index,)) for index in range(2)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        for side in self._sides:
            side.close()

    def _carry(self, index: int) -> None:
        """From the device to the daemon (0) or back (1)."""
        side, target = self._sides[index], ("127.0.0.1", self._targets[index])
        waiting: list[tuple[float, int, bytes]] = []
        number = 0
        while not self._stopping.is_set():
            now_s = time.monotonic()
            while waiting and waiting[0][0] <= now_s:
                side.sendto(heapq.heappop(waiting)[2], target)
            side.settimeout(max(1e-3, min(0.05, waiting[0][0] - now_s if waiting else 0.05)))
            try:
                datagram = side.recv(4096)
            except TimeoutError:
                continue
            for _ in range(2 if self._random.random() < self._rate else 1):
                if self._random.random() >= self._rate:
                    late_s = self._random.uniform(0.0, 0.06) if self._random.random() < self._rate else 0.0
                    number += 1
                    heapq.heappush(waiting, (time.monotonic() + late_s, number, datagram))
