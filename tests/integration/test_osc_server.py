"""The server on a real port: whole conversations, a bad network, floods, and who is never answered."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bridge.errors import BridgeError
from bridge.jobs.model import Job, JobSpec
from bridge.jobs.queue import JobQueue
from bridge.jobs.store import JobStore
from bridge.osc.orders import job_id
from bridge.osc.server import KNOWN_JOBS, OscServer
from bridge.osc.sessions import owner_of
from tests.integration.osc_support import (
    SECRET,
    BadNetwork,
    Device,
    MemoryQueue,
    chunks_of,
    garbage,
    hello,
    left_out,
    message,
    text,
    to_spec,
)

#: How soon a ping is answered, whatever goes on.
PONG_S = 0.1


@pytest.fixture
def jobs() -> MemoryQueue:
    return MemoryQueue()


@pytest.fixture
def server(jobs: MemoryQueue, tmp_path: Path) -> Iterator[OscServer]:
    with OscServer(jobs, SECRET, to_spec, tmp_path, port=0) as running:
        yield running


@pytest.fixture
def device(server: OscServer) -> Iterator[Device]:
    with Device(server.port) as made:
        made.open()
        yield made


@pytest.fixture
def insert(tmp_path: Path) -> Path:
    path = tmp_path / "insert.json"
    path.write_bytes(b"[]")
    return path


def test_a_whole_conversion_is_asked_for_followed_and_acknowledged(jobs: MemoryQueue, device: Device, insert: Path):
    device.request("job-1", filler="x" * 5000)
    device.expect("job/accepted")
    (job_id,) = jobs.wait(1)
    jobs.move(job_id, "progress", state="running", stage="separate", fraction=0.5)
    assert device.expect("job/progress") == ["job-1", 1, 500, "separate"]
    jobs.move(job_id, "ended", state="done", insert=str(insert))
    job, path, crc = device.expect("job/result")
    assert (job, Path(text(path)), crc) == ("job-1", insert, f"{zlib.crc32(insert.read_bytes()):08x}")
    assert device.expect("job/result") == [job, path, crc], "it is repeated"
    device.send("job/resultack", "job-1")
    device.send("ping", device.inst, 1)
    device.expect("pong")
    assert device.receive(0.8) is None, "it is no longer repeated"


def test_a_taken_port_is_an_error_that_says_what_to_do(jobs: MemoryQueue, server: OscServer, tmp_path: Path):
    with (
        pytest.raises(BridgeError, match=rf"port {server.port} is taken.*--osc-port 0"),
        OscServer(jobs, SECRET, to_spec, tmp_path, port=server.port),
    ):
        pass


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="every port is allowed")
def test_a_port_that_needs_privileges_is_an_error(jobs: MemoryQueue, tmp_path: Path):
    with pytest.raises(BridgeError, match="--osc-port 0"), OscServer(jobs, SECRET, to_spec, tmp_path, port=1):
        pass


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_is_none_is_an_error(jobs: MemoryQueue, port: int, tmp_path: Path):
    with pytest.raises(BridgeError, match="0 to 65535"):
        OscServer(jobs, SECRET, to_spec, tmp_path, port=port)


def test_leaving_gives_back_port_threads_and_listener(jobs: MemoryQueue, tmp_path: Path):
    threads = set(threading.enumerate())
    with OscServer(jobs, SECRET, to_spec, tmp_path, port=0) as server:
        port = server.port
    assert set(threading.enumerate()) == threads
    assert jobs._listeners == []
    with OscServer(jobs, SECRET, to_spec, tmp_path, port=port) as again:
        assert again.port == port


def test_leaving_says_goodbye_to_the_devices(jobs: MemoryQueue, tmp_path: Path):
    with OscServer(jobs, SECRET, to_spec, tmp_path, port=0) as server:
        device = Device(server.port)
        device.open()
    with device:
        assert device.expect("bye") == []


def test_it_listens_on_loopback_only(server: OscServer):
    assert server._socket.getsockname()[0] == "127.0.0.1"


def test_a_wrong_secret_is_refused(server: OscServer):
    with Device(server.port) as stranger:
        stranger.hello(secret="guess")
        code, advice = stranger.expect("refuse")
        assert code == "secret"
        assert "stembridge device install" in text(advice)
        stranger.request("job-1")
        assert stranger.receive(0.2) is None
    assert left_out(server)["unknown-token"] == 1


def test_answers_go_to_the_port_of_the_hello_and_not_to_where_it_came_from(server: OscServer):
    with Device(server.port) as device, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        other.sendto(message("hello", json.dumps(hello(rx=device.rx))), ("127.0.0.1", server.port))
        device.expect("welcome")
        other.sendto(message("ping", device.token, device.inst, 5), ("127.0.0.1", server.port))
        assert device.expect("pong") == [device.inst, 5]
        other.settimeout(0.2)
        with pytest.raises(TimeoutError):
            other.recv(2048)


def test_two_devices_at_once_do_not_disturb_each_other(jobs: MemoryQueue, server: OscServer, insert: Path):
    with Device(server.port) as one, Device(server.port, "inst-b", "token-bbbb") as two:
        one.open()
        two.open()
        parts = chunks_of({"file_path": str(Path("/a.wav").absolute()), "filler": "x" * 4000})
        for index, chunk in enumerate(parts):  # the same name, at the same time
            for device in (one, two):
                device.send("job/part", "same", index, len(parts), chunk)
        for device in (one, two):
            device.expect("job/accepted")
        jobs.wait(2)
        first, second = jobs.submissions
        jobs.move(first, "ended", state="failed", error_code="hung", error_text="one")
        jobs.move(second, "ended", state="done", insert=str(insert))
        error, result = one.expect("job/error"), two.expect("job/result")
        assert (error[1], text(result[1])) == ("hung", str(insert)), "each gets its own"
        one.send("job/resultack", "same")
        assert two.expect("job/result") == result, "the other's acknowledgement is not its own"


def test_a_job_can_be_cancelled_at_any_time(jobs: MemoryQueue, device: Device):
    device.request("job-1")
    device.expect("job/accepted")
    device.send("job/cancel", "job-1")
    assert device.expect("job/error")[:2] == ["job-1", "cancelled"]
    assert jobs.jobs(1)[0].state == "cancelled"


def test_after_a_restart_the_device_is_told_how_its_job_ended(jobs: MemoryQueue, insert: Path, tmp_path: Path):
    with OscServer(jobs, SECRET, to_spec, tmp_path, port=0) as server, Device(server.port) as device:
        device.open()
        device.request("job-1")
        device.expect("job/accepted")
    jobs.move(jobs.submissions[0], "ended", state="done", insert=str(insert))
    with OscServer(jobs, SECRET, to_spec, tmp_path, port=0) as server, Device(server.port) as device:
        device.open()
        assert device.expect("job/result")[0] == "job-1"


def test_a_slow_disk_does_not_keep_others_waiting(server: OscServer, jobs: MemoryQueue):
    """The queue's submit stands still, as with a locked database; pings are answered all the same."""
    entered, go_on = threading.Event(), threading.Event()
    submit = jobs.submit

    def slow(*args: object) -> object:
        entered.set()
        assert go_on.wait(10.0)
        return submit(*args)  # type: ignore[arg-type]

    jobs.submit = slow  # type: ignore[method-assign, assignment]
    with Device(server.port) as device:
        device.open()
        device.request("job-1")
        assert entered.wait(10.0)
        device.send("ping", device.inst, 1)
        device.expect("pong")
        assert jobs.submissions == []
        go_on.set()
        device.expect("job/accepted")


def test_a_drive_that_sleeps_keeps_only_the_device_waiting_that_asked_for_it(jobs: MemoryQueue, tmp_path: Path):
    entered, go_on = threading.Event(), threading.Event()

    def sleepy(request: bytes, job_id: str) -> JobSpec:
        if b"asleep" in request:
            entered.set()
            assert go_on.wait(10.0)
        return to_spec(request, job_id)

    with (
        OscServer(jobs, SECRET, sleepy, tmp_path, port=0) as server,
        Device(server.port) as one,
        Device(server.port, "inst-b", "token-bbbb") as two,
    ):
        one.open()
        two.open()
        one.request("job-1", note="asleep")
        assert entered.wait(10.0)
        one.request("job-2")
        two.request("job-1")
        two.expect("job/accepted")
        assert len(jobs.submissions) == 1
        go_on.set()
        assert [one.expect("job/accepted") for _ in range(2)] == [["job-1"], ["job-2"]], "in their order"


def test_after_a_start_what_a_device_has_is_known_though_hundreds_of_others_came_later(tmp_path: Path, insert: Path):
    spec = JobSpec(str(Path("/a.wav").absolute()), str(tmp_path))
    owner = owner_of("inst-a")
    with JobStore(tmp_path / "jobs.sqlite3") as store:
        store.add(Job(job_id((owner, "done")), "osc", 0, spec, "done", insert=str(insert), ended_s=1.0))
        store.add(Job(job_id((owner, "waiting")), "osc", 0, spec))
        for number in range(KNOWN_JOBS + 1):
            store.add(Job(f"watch-{number}", "watch", 20, spec))
        queue = JobQueue(store)
        with OscServer(queue, SECRET, to_spec, tmp_path, port=0) as server, Device(server.port) as device:
            assert device.open()["busy"] == KNOWN_JOBS + 2
            assert device.expect("job/accepted") == ["waiting"]
            assert device.expect("job/result")[0] == "done"


def test_a_list_of_jobs_that_is_locked_at_the_start_is_told_of_when_it_can_be_read(
    tmp_path: Path, insert: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("bridge.osc.server.RECALL_EVERY_S", 0.05)
    spec = JobSpec(str(Path("/a.wav").absolute()), str(tmp_path))
    done = Job(job_id((owner_of("inst-a"), "done")), "osc", 0, spec, "done", insert=str(insert), ended_s=1.0)
    with JobStore(tmp_path / "jobs.sqlite3") as store:
        store.add(done)
    with closing(sqlite3.connect(tmp_path / "jobs.sqlite3", isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with JobStore(tmp_path / "jobs.sqlite3", busy_timeout_s=0.05) as store:
            queue = JobQueue(store)
            with OscServer(queue, SECRET, to_spec, tmp_path, port=0) as server, Device(server.port) as device:
                device.open()
                device.request("new")
                assert device.expect("job/error")[:2] == ["new", "locked"]
                other.close()
                while device.expect("job/result")[0] != "done":
                    pass


def test_a_mistake_with_one_job_is_logged_once_and_costs_nobody_else(
    jobs: MemoryQueue, device: Device, server: OscServer, caplog: pytest.LogCaptureFixture
):
    device.request("job-1")
    device.expect("job/accepted")
    for _ in range(3):
        jobs.move(jobs.submissions[0], "progress", state="running", stage=5, fraction=0.1)
    device.send("ping", device.inst, 1)
    device.expect("pong")
    device.request("job-2")
    assert device.expect("job/accepted") == ["job-2"]
    assert left_out(server)["internal"] >= 1
    assert caplog.text.count("Traceback") == 1


def patient_request(device: Device, job: str, facts: dict[str, str], deadline_s: float) -> None:
    """Send a request until it is accepted: what is missing again, as acknowledgements say, else everything."""
    parts = chunks_of(facts)
    lacking = list(range(len(parts)))
    while time.monotonic() < deadline_s:
        for index in lacking:
            device.send("job/part", job, index, len(parts), parts[index])
        got = device.receive(0.3)
        while got is not None:
            name, values = got
            if name in ("job/accepted", "job/error"):
                return
            if name == "job/ack":
                lacking = [int(number) for number in values[1].split(",")] if values[1] else [0]
            got = device.receive(0.1)
    raise AssertionError("the request was never accepted")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_network_that_loses_doubles_and_reorders_a_fifth_loses_no_job(
    seed: int, jobs: MemoryQueue, server: OscServer, insert: Path
):
    deadline_s = time.monotonic() + 30.0
    with Device(0) as device, BadNetwork(server.port, device.rx, 0.2, seed) as network:
        device._to = ("127.0.0.1", network.for_device)
        got = None
        while got is None or got[0] != "welcome":
            assert time.monotonic() < deadline_s
            device.hello(rx=network.for_daemon)
            got = device.receive(0.1)
        source = str(Path("/music/song.wav").absolute())
        patient_request(device, "job-1", {"file_path": source, "filler": "x" * 20_000}, deadline_s)
        (job_id,) = jobs.wait(1)
        job = jobs.get(job_id)
        assert job is not None
        assert job.spec.source == source
        jobs.move(job_id, "ended", state="done", insert=str(insert))
        assert text(device.expect("job/result")[1]) == str(insert)
    assert len(jobs.submissions) == 1


def open_handles() -> int:
    """Open files and sockets of this process; 0 where that can't be told."""
    handles = Path("/proc/self/fd")
    return len(list(handles.iterdir())) if handles.is_dir() else 0


def peak_memory_kb() -> int:
    """The most memory that this process ever had, in kB; 0 where that can't be told."""
    if sys.platform != "linux":
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.parametrize("count", [5_000, pytest.param(100_000, marks=[pytest.mark.slow, pytest.mark.timeout(300)])])
def test_a_flood_of_garbage_stops_neither_a_job_nor_an_answer(
    count: int, jobs: MemoryQueue, server: OscServer, device: Device, insert: Path, caplog: pytest.LogCaptureFixture
):
    """Garbage comes in as fast as this process can send it, in bursts of 50; after each a ping is answered in time."""
    device.request("job-1")
    device.expect("job/accepted")
    (job_id,) = jobs.wait(1)
    jobs.move(job_id, "progress", state="running", stage="separate", fraction=0.1)
    handles, memory_kb = open_handles(), peak_memory_kb()
    late = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for number, datagram in enumerate(garbage(count, device.token, seed=count)):
            stranger.sendto(datagram, ("127.0.0.1", server.port))
            if number % 50 == 49:
                asked_s = time.monotonic()
                device.send("ping", device.inst, number)
                while device.expect("pong") != [device.inst, number]:
                    pass
                late.append(time.monotonic() - asked_s)
    late.sort()
    assert late[int(0.99 * len(late))] <= PONG_S, f"worst {late[-1]:.3f} s"
    assert sum(left_out(server).values()) > count / 2
    assert left_out(server).get("internal", 0) == 0
    assert len(caplog.records) < 100 + count / 1000
    assert open_handles() == handles
    assert peak_memory_kb() - memory_kb < 30_000
    jobs.move(job_id, "ended", state="done", insert=str(insert))
    assert text(device.expect("job/result")[1]) == str(insert)
    assert len(jobs.submissions) == 1


def test_a_daemon_that_is_not_asked_anything_does_nothing(server: OscServer, device: Device):
    device.send("ping", device.inst, 1)
    device.expect("pong")
    before_s = time.process_time()
    assert device.receive(0.5) is None
    assert time.process_time() - before_s < 0.05
