"""What the settings make of the daemon, without starting one."""

import os
import sys
from functools import partial
from pathlib import Path

import pytest

from bridge import daemon
from bridge.config import Settings, WatchedFolder
from bridge.jobs.model import JobSpec
from bridge.jobs.refusals import QueueFull
from bridge.jobs.store import JobStore
from bridge.jobs.worker import start_worker
from tests.integration.daemon_support import until

#: A worker that says where it is, once, and then nothing.
SILENT = """
import os, pathlib, time
out = pathlib.Path(os.environ["OUT"])
(out / f"{os.getpid()}.started").touch()
time.sleep(600)
"""


@pytest.mark.skipif(os.name == "nt", reason="a worker that says nothing is ended by signals")
def test_the_queue_is_as_the_settings_have_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = partial(start_worker, command=[sys.executable, "-I", "-S", "-c", SILENT])
    monkeypatch.setattr(daemon, "start_worker", lambda job, variables: silent(job, variables={"OUT": str(tmp_path)}))
    settings = Settings(concurrency=2, queue_limit=1, hang_timeout_s=500.0)
    spec = JobSpec(str(tmp_path / "a.wav"), str(tmp_path))
    with JobStore(tmp_path / "jobs.sqlite3") as store, daemon.queue_of(settings, store) as queue:
        for job_id in "ab":
            queue.submit(job_id, "osc", spec)
            until(lambda: queue.get(job_id).state == "running", "the start")  # noqa: B023
        until(lambda: len(list(tmp_path.glob("*.started"))) == 2, "two at once")
        queue.submit("c", "osc", spec)
        with pytest.raises(QueueFull):
            queue.submit("d", "osc", spec)
        assert queue._hang_timeout_s == 500.0


def test_devices_are_told_what_the_daemon_does() -> None:
    everything = Settings(stream=True, watch=(WatchedFolder(str(Path.cwd())),))
    assert daemon.features_of(everything, listen=True) == ["insert", "stream", "watch"]
    assert daemon.features_of(Settings(stream=False), listen=True) == ["insert"]
    assert daemon.features_of(everything, listen=False) == ["stream", "watch"]
