"""A flood of garbage at a real daemon with a real queue, while a real worker converts."""

from __future__ import annotations

import os
import socket
import time
from collections import Counter
from pathlib import Path

import pytest

from bridge.jobs.store import peek
from tests.integration.daemon_support import DaemonProcess, bass_line, clip_request
from tests.integration.osc_support import garbage

COUNT = 100_000
#: Datagrams in a second: a hundred times what a device ever sends, and no more than a daemon gets to see one by one.
RATE = 4_000
#: How many of them are sent at once; after each such burst a ping is to be answered.
BURST = 50
#: How soon each ping is answered.
PONG_S = 0.1
#: Enough work for the whole flood.
JOBS, JOB_S = 10, 60.0
SAMPLE_RATE = 22050

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to send"),
]


def test_a_hundred_thousand_datagrams_of_garbage_stop_neither_a_conversion_nor_an_answer(home, tmp_path: Path) -> None:
    source = bass_line(tmp_path / "line.wav", JOB_S, SAMPLE_RATE)
    daemon = DaemonProcess(home, "--osc-port", "0", "--out", tmp_path / "out")
    try:
        with daemon.device() as device, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            jobs = [f"job-{number}" for number in range(JOBS)]
            asked = clip_request(source, JOB_S, SAMPLE_RATE)
            asked["options"]["fresh"] = True  # none is to be quick because of another
            for job in jobs:
                device.request(job, **asked)
                device.expect("job/accepted")
            ends: Counter[str] = Counter()
            late_s = []
            begin_s = time.monotonic()
            for number, datagram in enumerate(garbage(COUNT, device.token, seed=COUNT)):
                stranger.sendto(datagram, ("127.0.0.1", daemon.port))
                if number % BURST == BURST - 1:
                    asked_s = time.monotonic()
                    device.send("ping", device.inst, number)
                    while (came := device.receive()) != ("pong", [device.inst, number]):
                        assert came is not None, f"ping {number} was never answered"
                        ends.update([came[1][0]] if came[0] == "job/result" else [])
                    late_s.append(time.monotonic() - asked_s)
                    time.sleep(max(0.0, begin_s + number / RATE - time.monotonic()))
            at_work = [job.state for job in peek(daemon.folder / "jobs.sqlite3", JOBS)]
            assert "running" in at_work, "the conversions should last longer than the flood"
            assert max(late_s) <= PONG_S
            while set(ends) != set(jobs):
                ends.update([device.expect("job/result", timeout_s=60.0)[0]])
        kept = peek(daemon.folder / "jobs.sqlite3", 100)
        assert [job.state for job in kept] == ["done"] * JOBS, "and nothing was asked for by the garbage"
        assert daemon.log.count("Traceback") == 0
    finally:
        daemon.kill()
