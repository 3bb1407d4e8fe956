"""Other people's OSC: oscsend and oscdump (Debian's liblo-tools) hold a whole conversation; acorn reads the script."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Queue

import pytest

from bridge.osc.generate import ROOT
from bridge.osc.server import OscServer
from tests.integration.osc_support import PREFIX, SECRET, MemoryQueue, chunks_of, hello, left_out, text, to_spec

pytestmark = pytest.mark.peer

OSCSEND, OSCDUMP, NODE = (shutil.which(program) for program in ("oscsend", "oscdump", "node"))
needs_liblo = pytest.mark.skipif(not (OSCSEND and OSCDUMP), reason="liblo-tools is not installed")


class Dump:
    """An oscdump, and what it printed."""

    def __init__(self) -> None:
        assert OSCDUMP is not None
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._lines: Queue[str] = Queue()
        self._process = subprocess.Popen([OSCDUMP, "-L", str(self.port)], stdout=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)

    def expect(self, name: str, timeout_s: float = 10.0) -> str:
        """The types and arguments of the next message of a name, as oscdump prints them."""
        while True:
            line = self._lines.get(timeout=timeout_s)
            found = re.fullmatch(rf"\S+ {re.escape(PREFIX + name)} (.*)\n", line)
            if found:
                return found.group(1)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.fixture
def dump() -> Iterator[Dump]:
    made = Dump()
    yield made
    made.close()


def oscsend(port: int, name: str, types: str, *args: object) -> None:
    assert OSCSEND is not None
    command = [OSCSEND, "127.0.0.1", str(port), PREFIX + name, types, *map(str, args)]
    subprocess.run(command, check=True, capture_output=True, timeout=10)


@needs_liblo
def test_oscsend_and_oscdump_drive_a_conversion(dump: Dump, tmp_path: Path):
    insert = tmp_path / "Füße 1.json"
    insert.write_bytes(b'{"clips":[]}')
    jobs = MemoryQueue()
    with OscServer(jobs, SECRET, to_spec, tmp_path, port=0) as server:
        port = server.port
        while True:  # until oscdump listens
            oscsend(port, "hello", "s", json.dumps(hello(rx=dump.port)))
            try:
                welcome = dump.expect("welcome", 0.5)
            except Empty:
                continue
            break
        assert welcome.startswith('ss "token-aaaa" "{')

        oscsend(port, "ping", "ssi", "token-aaaa", "inst-a", 41)
        assert dump.expect("pong") == 'ssi "token-aaaa" "inst-a" 41'

        source = str(Path("/music/söng, 1.wav").absolute())
        parts = chunks_of({"file_path": source, "filler": "x" * 1000})
        for index in reversed(range(len(parts))):
            oscsend(port, "job/part", "ssiis", "token-aaaa", "job-1", index, len(parts), parts[index])
        assert dump.expect("job/accepted") == 'ss "token-aaaa" "job-1"'
        (job_id,) = jobs.wait(1)
        job = jobs.get(job_id)
        assert job is not None
        assert job.spec.source == source

        jobs.move(job_id, "progress", state="running", stage="separate", fraction=0.25)
        assert dump.expect("job/progress") == 'ssiis "token-aaaa" "job-1" 1 250 "separate"'
        jobs.move(job_id, "ended", state="done", insert=str(insert))
        result = dump.expect("job/result")
        found = re.fullmatch(r'ssss "token-aaaa" "job-1" "(.*)" "(.*)"', result)
        assert found is not None
        assert (text(found.group(1)), int(found.group(2), 16)) == (str(insert), zlib.crc32(insert.read_bytes()))
        assert dump.expect("job/result") == result
        oscsend(port, "job/resultack", "ss", "token-aaaa", "job-1")
        oscsend(port, "job/inserted", "ssii", "token-aaaa", "job-1", 5, 321)


@needs_liblo
def test_oscsend_is_refused_with_a_wrong_secret_and_with_wrong_types(dump: Dump, tmp_path: Path):
    with OscServer(MemoryQueue(), SECRET, to_spec, tmp_path, port=0) as server:
        while True:
            oscsend(server.port, "hello", "s", json.dumps(hello(rx=dump.port, secret="guess")))
            try:
                refusal = dump.expect("refuse", 0.5)
            except Empty:
                continue
            break
        assert refusal.startswith('sss "token-aaaa" "secret" ')
        oscsend(server.port, "hello", "s", json.dumps(hello(rx=dump.port)))
        dump.expect("welcome")
        for types, seq in (("ssf", "1"), ("ssd", "1"), ("ssh", "1"), ("sss", "1"), ("ssT", None), ("ssN", None)):
            oscsend(server.port, "ping", types, "token-aaaa", "inst-a", *([seq] if seq else []))
        oscsend(server.port, "ping", "ssi", "token-aaaa", "inst-a", 2)
        assert dump.expect("pong") == 'ssi "token-aaaa" "inst-a" 2'
        assert left_out(server)["wrong-types"] == 6


@pytest.mark.skipif(NODE is None, reason="Node.js is not installed")
def test_acorn_takes_the_script_as_es5():
    assert NODE is not None
    # Debian's node-acorn lies where its Node looks; other Nodes are told of it here.
    paths = os.pathsep.join(filter(None, [os.environ.get("NODE_PATH"), "/usr/share/nodejs"]))
    run = (
        "const fs = require('fs'); let acorn; try { acorn = require('acorn'); } catch (e) { process.exit(77); }"
        "acorn.parse(fs.readFileSync(process.argv[1], 'ascii'), { ecmaVersion: 5 });"
    )
    done = subprocess.run(
        [NODE, "-e", run, str(ROOT / "max_for_live/src/protocol.js")],
        env=os.environ | {"NODE_PATH": paths},
        capture_output=True,
        text=True,
        timeout=30,
    )
    if done.returncode == 77:
        pytest.skip("acorn is not installed")
    assert done.returncode == 0, done.stderr
