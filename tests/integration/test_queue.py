"""The queue with real worker processes: real conversions, and programs that behave as badly as a worker can."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest
import soundfile

from bridge.errors import InvalidRequest
from bridge.jobs.clip_request import spec_from_request
from bridge.jobs.ledger import MAX_STARTS
from bridge.jobs.model import Job, JobEvent, JobSpec, Options, spec_to_json
from bridge.jobs.queue import JobQueue
from bridge.jobs.refusals import QueueFull, QueueStopped, StoreLocked, UnknownJob
from bridge.jobs.store import JobStore, peek
from bridge.jobs.worker import COMMAND, start_worker
from tests.integration.support import RATE, leftovers, song_samples

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-in workers behave badly by way of signals")

REPOSITORY = Path(__file__).parents[2]
#: Nothing here takes longer, however slow the machine; the limit turns a hang into a failure.
PATIENCE_S = 40.0

#: What all stand-in workers begin with; `spec` is what they are asked to do, its name says how to behave.
PREAMBLE = """
import json, os, pathlib, signal, sys, time
spec = json.loads(sys.stdin.readline())
def say(**news):
    os.write(1, json.dumps(news).encode() + b"\\n")
def progress(fraction=0.5):
    say(event="progress", stage="separate", fraction=fraction)
def finish():
    folder = os.path.join(spec["out_dir"], spec["name"])
    os.makedirs(folder, exist_ok=True)
    say(event="result", folder=folder)
"""
FINISHES = "progress(); finish()"
#: Runs until the test makes the file "go" in its output folder; counts its starts there.
WAITS = """
with open(os.path.join(spec["out_dir"], "starts"), "a") as file:
    file.write(f"{spec['name']} {os.getpid()}\\n")
progress()
while not os.path.exists(os.path.join(spec["out_dir"], "go")):
    time.sleep(0.01)
finish()
"""


class Witness:
    """Keeps all events and waits for some."""

    def __init__(self) -> None:
        self.events: list[JobEvent] = []
        self._news = threading.Condition()

    def __call__(self, event: JobEvent) -> None:
        with self._news:
            self.events.append(event)
            self._news.notify_all()

    def wait(self, kind: str, *ids: str) -> list[JobEvent]:
        """The first event of that kind of each of the jobs."""
        with self._news:
            assert self._news.wait_for(lambda: set(ids) <= {e.job.id for e in self.of(kind)}, PATIENCE_S), self.events
            return [next(e for e in self.of(kind) if e.job.id == job_id) for job_id in ids]

    def of(self, kind: str) -> list[JobEvent]:
        return [event for event in self.events if event.kind == kind]

    def ids(self, kind: str) -> list[str]:
        return [event.job.id for event in self.of(kind)]


@pytest.fixture
def standin(tmp_path: Path) -> Callable[[str], partial]:
    """Makes a worker program that does as the code says."""

    def make(code: str) -> partial:
        script = tmp_path / "worker.py"
        script.write_text(PREAMBLE + textwrap.dedent(code))
        return partial(start_worker, command=[sys.executable, "-I", "-S", str(script)])

    return make


@pytest.fixture
def spec(tmp_path: Path) -> Callable[[str], JobSpec]:
    out = tmp_path / "out"
    out.mkdir()

    def make(name: str = "a", **options) -> JobSpec:
        return JobSpec(str(tmp_path / "song.wav"), str(out), name, Options(**options))

    return make


@contextmanager
def opened(folder: Path, start, **options) -> Iterator[tuple[JobQueue, Witness]]:
    witness = Witness()
    with JobStore(folder / "jobs.sqlite3", busy_timeout_s=0.1) as store:
        queue = JobQueue(store, start, **options)
        queue.subscribe(witness)
        with queue:
            yield queue, witness


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    """Whether there is such a process, other than as a zombie that nobody has buried yet."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return state != "" and not state.startswith("Z")


def started(out: Path) -> list[tuple[str, int]]:
    """Which waiting worker programs were started, and their process ids."""
    file = out / "starts"
    lines = file.read_text().splitlines() if file.exists() else []
    return [(line.split()[0], int(line.split()[1])) for line in lines]


def test_a_job_is_accepted_started_and_ended_in_this_order(tmp_path, standin, spec):
    with opened(tmp_path, standin(FINISHES)) as (queue, witness):
        accepted = queue.submit("a", "osc", spec())
        assert (accepted.state, accepted.priority) == ("queued", 0)
        ended = witness.wait("ended", "a")[0].job
        assert [event.kind for event in witness.events] == ["accepted", "started", "progress", "ended"]
        assert [event.job.state for event in witness.events] == ["queued", "running", "running", "done"]
        assert (ended.result, ended.attempts, ended.error_code) == (str(tmp_path / "out" / "a"), 1, "")
        assert queue.get("a") == ended
        assert queue.active() == []
    with JobStore(tmp_path / "jobs.sqlite3") as store:
        assert store.get("a") == ended


def test_asking_again_with_the_same_id_gives_the_same_job_also_when_it_has_ended(tmp_path, standin, spec):
    with opened(tmp_path, standin(FINISHES)) as (queue, witness):
        queue.submit("a", "osc", spec())
        witness.wait("ended", "a")
        assert queue.submit("a", "osc", spec()).state == "done"
        with pytest.raises(InvalidRequest, match="another job with the id a"):
            queue.submit("a", "osc", spec("b"))
    assert witness.ids("accepted") == witness.ids("ended") == ["a"]


def test_the_best_priority_goes_first_then_the_oldest(tmp_path, standin, spec):
    with opened(tmp_path, standin(WAITS)) as (queue, witness):
        queue.submit("first", "watch", spec("first"))
        witness.wait("started", "first")
        for job_id, origin in (("w1", "watch"), ("w2", "watch"), ("c", "command"), ("press", "osc")):
            queue.submit(job_id, origin, spec(job_id))
        order = ["first", "press", "c", "w1", "w2"]
        assert [job.id for job in queue.active()] == order
        assert [job.id for job in queue.jobs()] == ["press", "c", "w2", "w1", "first"]
        (tmp_path / "out" / "go").touch()
        witness.wait("ended", *order)
    assert witness.ids("started") == order


def test_as_many_jobs_run_at_once_as_may(tmp_path, standin, spec):
    with opened(tmp_path, standin(WAITS), concurrency=2) as (queue, witness):
        for job_id in "abc":
            queue.submit(job_id, "osc", spec(job_id))
        until(lambda: len(started(tmp_path / "out")) == 2)
        assert [job.state for job in queue.active()] == ["running", "running", "queued"]
        (tmp_path / "out" / "go").touch()
        witness.wait("ended", *"abc")


def test_too_many_waiting_jobs_are_refused_and_leave_no_trace(tmp_path, standin, spec):
    with opened(tmp_path, standin(WAITS), limit=1) as (queue, witness):
        queue.submit("a", "osc", spec("a"))
        witness.wait("started", "a")
        queue.submit("b", "osc", spec("b"))
        with pytest.raises(QueueFull, match="1 jobs wait already") as refused:
            queue.submit("c", "osc", spec("c"))
        assert refused.value.code == "busy"
        assert queue.get("c") is None
        assert queue.submit("b", "osc", spec("b")).id == "b"
        queue.cancel("b")
        queue.submit("c", "osc", spec("c"))


def test_a_cancelled_job_ends_once_whether_it_waits_or_runs(tmp_path, standin, spec):
    with opened(tmp_path, standin(WAITS)) as (queue, witness):
        for job_id in "ab":
            queue.submit(job_id, "osc", spec(job_id))
        until(lambda: started(tmp_path / "out"))
        for job_id in "ba":
            assert queue.cancel(job_id).state == "cancelled"
            assert queue.cancel(job_id).error_code == "cancelled"
        with pytest.raises(UnknownJob):
            queue.cancel("c")
        (pid,) = [pid for _, pid in started(tmp_path / "out")]
        until(lambda: not is_running(pid))
        (tmp_path / "out" / "go").touch()
        queue.submit("c", "osc", spec("c"))
        witness.wait("ended", *"abc")
    assert sorted(witness.ids("ended")) == ["a", "b", "c"]
    assert witness.ids("started") == ["a", "c"]


def test_a_worker_that_ignores_the_wish_to_end_is_killed(tmp_path, standin, spec):
    code = "signal.signal(signal.SIGTERM, signal.SIG_IGN)" + WAITS
    with opened(tmp_path, standin(code)) as (queue, _):
        queue.submit("a", "osc", spec())
        until(lambda: started(tmp_path / "out"))
        began = time.monotonic()
        queue.stop(1.0)
        assert time.monotonic() - began < 5.0
        assert not is_running(started(tmp_path / "out")[0][1])


@pytest.mark.parametrize(
    "code,error,words",
    [
        ("progress(); os.kill(os.getpid(), signal.SIGKILL)", "engine-crashed", "ran out of memory or was killed"),
        ("print('bad news', file=sys.stderr); os.kill(os.getpid(), signal.SIGSEGV)", "engine-crashed", "SIGSEGV"),
        ("print('bad', 'news\\n\\n', file=sys.stderr); sys.exit(3)", "engine-crashed", "code 3 (bad news)"),
        ("pass", "engine-crashed", "ended without a result"),
        ("os.close(1); time.sleep(600)", "engine-crashed", "closed its output"),
        ("os.write(1, b'x\\n' * 9); time.sleep(600)", "hung", "no sign of life for 1.5 s"),
        ("say(event='error', code='audio-unreadable', text='no sound')", "audio-unreadable", "no sound"),
        ("os.write(1, b'\\xff\\x00[1]\\n{}\\n' + b'y' * 2_000_000 + b'\\n'); sys.exit(1)", "engine-crashed", "code 1"),
        ("sys.stderr.write('z' * 3_000_000); sys.stderr.flush(); sys.exit(1)", "engine-crashed", "zzz"),
    ],
)
def test_a_bad_worker_fails_its_job_with_the_reason_and_the_next_one_goes_on(
    tmp_path, standin, spec, code, error, words, monkeypatch
):
    monkeypatch.setattr("bridge.jobs.worker.ENDING_S", 0.5)
    script = f"if spec['name'] == 'good':\n    finish()\nelse:\n    {code}"
    with opened(tmp_path, standin(script), hang_timeout_s=1.5 if error == "hung" else PATIENCE_S) as (queue, witness):
        queue.submit("bad", "osc", spec("bad"))
        queue.submit("good", "osc", spec("good"))
        bad, good = (event.job for event in witness.wait("ended", "bad", "good"))
    assert (bad.state, bad.error_code, bad.result) == ("failed", error, None)
    assert words in bad.error_text
    assert len(bad.error_text) < 500
    assert "\n" not in bad.error_text
    assert (good.state, good.attempts) == ("done", 1)


def test_signs_of_life_keep_a_slow_worker_alive(tmp_path, standin, spec):
    code = "for _ in range(13):\n    say(event='alive'); time.sleep(0.1)\nfinish()"
    with opened(tmp_path, standin(code), hang_timeout_s=1.0) as (queue, witness):
        queue.submit("a", "osc", spec())
        assert witness.wait("ended", "a")[0].job.state == "done"


#: A real worker whose engine is Demucs' way of working: it waits for a child that never says a word again.
WAITS_FOR_EVER = """
import threading
from bridge.jobs import worker_main
from bridge.progress import Progress
from bridge.separation.waiting import while_waiting

def work(spec, teller, cancelled):
    def hung():
        threading.Event().wait()
        yield 1
    list(while_waiting(hung, Progress(teller.report, cancelled, alive=teller.alive).stage("separate")))

worker_main.ALIVE_GAP_S = 0.1
worker_main.work = work
worker_main.main()
"""


def test_a_real_worker_whose_engine_waits_for_ever_counts_as_hung(tmp_path, spec):
    start = partial(start_worker, command=[sys.executable, "-c", WAITS_FOR_EVER])
    with opened(tmp_path, start, hang_timeout_s=3.0) as (queue, witness):
        queue.submit("a", "osc", spec())
        witness.wait("progress", "a")
        ended = witness.wait("ended", "a")[0].job
    assert (ended.state, ended.error_code) == ("failed", "hung")


def test_only_the_first_end_of_a_worker_counts(tmp_path, standin, spec):
    code = "finish(); say(event='error', code='internal', text='x'); finish(); time.sleep(600)"
    with opened(tmp_path, standin(code)) as (queue, witness):
        for job_id in "ab":
            queue.submit(job_id, "osc", spec(job_id))
        witness.wait("ended", *"ab")
    assert [event.job.state for event in witness.of("ended")] == ["done", "done"]


def test_what_a_worker_started_dies_with_it(tmp_path, standin, spec):
    code = """
    import subprocess
    child = subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"])
    pathlib.Path(spec["out_dir"], "child").write_text(str(child.pid))
    os.kill(os.getpid(), signal.SIGKILL)
    """
    with opened(tmp_path, standin(code)) as (queue, witness):
        queue.submit("a", "osc", spec())
        witness.wait("ended", "a")
        until(lambda: not is_running(int((tmp_path / "out" / "child").read_text())))


def test_a_worker_ended_by_the_system_is_started_again_but_not_for_ever(tmp_path, standin, spec):
    code = "say(event='error', code='cancelled', text='x')"
    with opened(tmp_path, standin(code)) as (queue, witness):
        queue.submit("a", "osc", spec())
        ended = witness.wait("ended", "a")[0].job
    assert (ended.state, ended.error_code, ended.attempts) == ("failed", "crashed", 3)
    assert witness.ids("started") == ["a", "a", "a"]


def test_a_command_that_cannot_be_started_fails_the_job(tmp_path, spec):
    with opened(tmp_path, partial(start_worker, command=[str(tmp_path / "nothing")])) as (queue, witness):
        queue.submit("a", "osc", spec())
        ended = witness.wait("ended", "a")[0].job
    assert (ended.state, ended.error_code) == ("failed", "engine-crashed")


def test_stopping_puts_running_jobs_back_and_the_next_start_goes_on(tmp_path, standin, spec):
    with opened(tmp_path, standin(WAITS)) as (queue, _):
        for job_id in "ab":
            queue.submit(job_id, "osc", spec(job_id))
        until(lambda: started(tmp_path / "out"))
        queue.stop()
        with pytest.raises(QueueStopped):
            queue.submit("c", "osc", spec("c"))
        assert [(queue.get(job_id).state, queue.get(job_id).attempts) for job_id in "ab"] == [("queued", 0)] * 2
        queue.stop()
    (tmp_path / "out" / "go").touch()
    with opened(tmp_path, standin(WAITS)) as (_, witness):
        witness.wait("ended", *"ab")
    assert witness.ids("ended") == ["a", "b"]


def test_before_it_is_entered_a_queue_accepts_and_cancels_and_starts_nothing(tmp_path, standin, spec):
    with JobStore(tmp_path / "jobs.sqlite3") as store:
        store.add(Job("old", "watch", 20, spec("old")))
        store.add(Job("older", "watch", 20, spec("older"), "running", attempts=1))
        queue, witness = JobQueue(store, standin(FINISHES)), Witness()
        queue.subscribe(witness)
        queue.submit("new", "osc", spec("new"))
        assert queue.cancel("old").state == "cancelled"
        assert {job.id for job in queue.active()} == {"new", "older"}
        assert witness.events == []
        with queue:
            witness.wait("ended", "new", "old", "older")
    assert witness.ids("started") == ["new", "older"]
    assert sorted(witness.ids("ended")) == ["new", "old", "older"]


@pytest.mark.parametrize("starts,state", [(50, "queued"), (MAX_STARTS, "failed")])
def test_deaths_of_the_daemon_cost_a_job_only_when_there_is_no_end_to_them(tmp_path, spec, starts, state):
    with JobStore(tmp_path / "jobs.sqlite3") as store:
        store.add(Job("a", "osc", 0, spec(), "running", attempts=starts))
        queue = JobQueue(store, concurrency=0)
        with queue:
            job = queue.get("a")
    assert (job.state, job.error_code) == (state, "crashed" if state == "failed" else "")
    assert state == "queued" or f"{MAX_STARTS} times" in job.error_text


def test_a_failing_listener_disturbs_neither_the_queue_nor_the_others(tmp_path, standin, spec, caplog):
    def fails(event: JobEvent) -> None:
        raise RuntimeError(event.kind)

    with opened(tmp_path, standin(FINISHES)) as (queue, witness):
        unsubscribe = queue.subscribe(fails)
        queue.submit("a", "osc", spec())
        witness.wait("ended", "a")
        until(lambda: sum("a listener failed" in record.message for record in caplog.records) == 4)
        unsubscribe()
        queue.submit("b", "osc", spec("b"))
        witness.wait("ended", "b")
    assert sum("a listener failed" in record.message for record in caplog.records) == 4


def test_a_listener_may_use_the_queue_and_the_threads_have_names(tmp_path, standin, spec):
    with opened(tmp_path, standin(FINISHES)) as (queue, witness):

        def asks_for_more(event: JobEvent) -> None:
            if event.kind == "ended" and event.job.id == "a":
                queue.submit("b", "osc", spec("b"))
                queue.cancel("a")

        queue.subscribe(asks_for_more)
        queue.submit("a", "osc", spec())
        witness.wait("ended", "a", "b")
        names = {thread.name for thread in threading.enumerate()}
        assert {"jobs-1", "jobs-events"} <= names
    assert not {"jobs-1", "jobs-events"} & {thread.name for thread in threading.enumerate()}


def test_many_threads_asking_and_cancelling_at_once_give_one_end_each(tmp_path, standin, spec):
    ids = [f"j{number}" for number in range(12)]
    with opened(tmp_path, standin(FINISHES), concurrency=2) as (queue, witness):

        def press(seed: int) -> None:
            for job_id in random.Random(seed).sample(ids, len(ids)):
                queue.submit(job_id, "osc", spec(job_id))
                if int(job_id[1:]) % 3 == 0:
                    queue.cancel(job_id)

        threads = [threading.Thread(target=press, args=[seed]) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        witness.wait("ended", *ids)
    assert sorted(witness.ids("accepted")) == sorted(witness.ids("ended")) == sorted(ids)
    for event in witness.of("ended"):
        assert event.job.state == "done" or (event.job.state == "cancelled" and int(event.job.id[1:]) % 3 == 0)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Another program holds the database."""
    with closing(sqlite3.connect(folder / "jobs.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


def test_while_the_database_is_locked_jobs_are_refused_and_ends_are_kept_for_later(tmp_path, standin, spec):
    with opened(tmp_path, standin(WAITS)) as (queue, witness):
        queue.submit("a", "osc", spec("a"))
        witness.wait("progress", "a")
        with locked(tmp_path):
            with pytest.raises(StoreLocked):
                queue.submit("b", "osc", spec("b"))
            with pytest.raises(StoreLocked):
                queue.cancel("a")
            (tmp_path / "out" / "go").touch()
            until(lambda: not is_running(started(tmp_path / "out")[0][1]))
            assert queue.get("a").state == "running"
            assert queue.get("b") is None
        assert witness.wait("ended", "a")[0].job.state == "done"
        queue.submit("b", "osc", spec("b"))
        witness.wait("ended", "b")
        assert queue.problems == []
    assert witness.ids("started") == witness.ids("ended") == ["a", "b"]


def test_a_database_that_is_locked_at_the_start_is_waited_for_and_loses_nothing(tmp_path, standin, spec, caplog):
    with JobStore(tmp_path / "jobs.sqlite3") as store:
        store.add(Job("cut", "osc", 0, spec("cut"), "running", attempts=1))
        store.add(Job("waiting", "osc", 0, spec("waiting")))
    with closing(sqlite3.connect(tmp_path / "jobs.sqlite3", isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with opened(tmp_path, standin(FINISHES)) as (queue, witness):
            assert "another program holds" in queue.problems[0]
            for refused in (lambda: queue.submit("new", "osc", spec("new")), lambda: queue.cancel("waiting")):
                with pytest.raises(StoreLocked):
                    refused()
            assert queue.active() == []
            other.close()
            witness.wait("ended", "cut", "waiting")
            assert queue.submit("new", "osc", spec("new")).state == "queued"
            ended = witness.wait("ended", "cut", "waiting", "new")
    assert [(event.job.state, event.job.attempts) for event in ended] == [("done", 2), ("done", 1), ("done", 1)]
    assert sum("must wait" in record.message for record in caplog.records) <= 1


def test_a_database_that_is_locked_for_long_is_asked_less_and_less_and_complained_of_once(
    tmp_path, standin, spec, caplog, monkeypatch
):
    waits = []
    with opened(tmp_path, standin(WAITS)) as (queue, witness):
        queue.submit("a", "osc", spec("a"))
        witness.wait("progress", "a")
        stopping = queue._stopping.wait
        monkeypatch.setattr(queue._stopping, "wait", lambda wait_s: waits.append(wait_s) or stopping(0.001))
        with locked(tmp_path):
            (tmp_path / "out" / "go").touch()
            until(lambda: len(waits) >= 7)
        witness.wait("ended", "a")
    assert waits[:7] == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0]
    assert sum("must wait" in record.message for record in caplog.records) == 1


def test_what_cannot_be_kept_again_after_the_database_was_lost_disturbs_no_change(tmp_path, standin, spec, caplog):
    with opened(tmp_path, standin(FINISHES), concurrency=0) as (queue, _):
        queue.submit("old", "osc", spec("old"))
        database = queue._store._database
        database.read(lambda connection: connection.execute("DELETE FROM jobs"))
        database.generation += 1  # as after one that was corrupt
        database.read(
            lambda connection: connection.execute(
                "CREATE TRIGGER full BEFORE INSERT ON jobs WHEN new.id = 'old' BEGIN SELECT RAISE(FAIL, 'full'); END"
            )
        )
        assert queue.submit("new", "osc", spec("new")).state == "queued"
        assert "can't be kept in the new database yet" in caplog.text
        database.read(lambda connection: connection.execute("DROP TRIGGER full"))
        queue.submit("newer", "osc", spec("newer"))
        assert {job.id for job in peek(tmp_path / "jobs.sqlite3", 9)} == {"old", "new", "newer"}


def test_when_the_database_turns_out_corrupt_no_waiting_or_running_job_is_lost(tmp_path, standin, spec):
    with opened(tmp_path, standin(WAITS)) as (queue, witness):
        for job_id in "abc":
            queue.submit(job_id, "osc", spec(job_id))
        witness.wait("progress", "a")
        path = tmp_path / "jobs.sqlite3"
        connection = queue._store._database._connection
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        path.write_bytes(path.read_bytes()[:4096] + os.urandom(100_000))
        connection.execute("PRAGMA shrink_memory")  # so that it reads what is on disk
        queue.cancel("c")
        assert "set aside" in queue.problems[0]
        assert [job.id for job in peek(path, 10)] == ["b", "a", "c"]
        (tmp_path / "out" / "go").touch()
        witness.wait("ended", *"abc")
    assert sorted(witness.ids("ended")) == ["a", "b", "c"]


def test_a_spec_that_no_conversion_could_have_is_refused(tmp_path, standin, spec):
    with opened(tmp_path, standin(FINISHES)) as (queue, _):
        for bad in (spec(strength=2.0), spec(separator="x" * 40), spec(bpm=float("nan"))):
            with pytest.raises(InvalidRequest, match="can't be converted"):
                queue.submit("a", "osc", bad)
        for bad_id in ("", "x" * 65, "a b", "é", "a\n"):
            with pytest.raises(InvalidRequest, match="a job's id"):
                queue.submit(bad_id, "osc", spec())
        assert queue.jobs() == []


#: A process that owns a queue: asks for the jobs named in its arguments, notes each end, leaves after the last.
OWNER = """
import functools, os, sys, threading
from pathlib import Path
from bridge.jobs.model import JobSpec, Options
from bridge.jobs.queue import JobQueue
from bridge.jobs.store import JobStore
from bridge.jobs.worker import COMMAND, start_worker

folder, source, ids, command = Path(sys.argv[1]), sys.argv[2], sys.argv[3].split(","), sys.argv[4:] or COMMAND
ends = os.open(folder / "ends", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
news = threading.Semaphore(0)

def note(event):
    if event.kind == "ended":
        os.write(ends, (event.job.id + "\\n").encode())
        news.release()

with JobStore(folder / "jobs.sqlite3") as store:
    queue = JobQueue(store, functools.partial(start_worker, command=command))
    queue.subscribe(note)
    with queue:
        for job_id in ids:
            queue.submit(job_id, "watch", JobSpec(source, str(folder / "out"), job_id, Options(recording="bass")))
        (folder / "ready").touch()
        while queue.active():
            news.acquire()
"""
#: Makes its result folder as conversions do: whole, by a rename.
RENAMES = """
import tempfile
work = tempfile.mkdtemp(prefix=".work-", dir=spec["out_dir"])
for step in range(4):
    progress(step / 4)
    time.sleep(0.02)
pathlib.Path(work, "manifest.json").write_text("{}")
try:
    os.rename(work, os.path.join(spec["out_dir"], spec["name"]))
except OSError:
    pass
finish()
"""


def kill_at_random_moments(folder: Path, owner: list[str], ids: list[str], kills: int, longest_s: float) -> None:
    """Start the owner, kill it, start it again; in the end let it finish. What has ended must stay as it is."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    moments = random.Random(7)
    ended: dict[str, object] = {}
    (folder / "out").mkdir()
    for kill in range(kills + 1):
        (folder / "ready").unlink(missing_ok=True)
        process = subprocess.Popen(owner, env=environment, stderr=subprocess.PIPE)
        with process, process.stderr:
            if kill < kills:
                until(lambda: process.poll() is not None or (folder / "ready").exists())  # noqa: B023
                time.sleep(moments.uniform(0.0, longest_s))
                process.kill()
            else:
                assert process.wait(8 * PATIENCE_S) == 0, process.stderr.read().decode()
        with JobStore(folder / "jobs.sqlite3") as store:
            jobs = {job.id: job for job in store.recent(100)}
            assert store.problems == []
        assert jobs.keys() == set(ids)
        assert all(jobs[job_id] == job for job_id, job in ended.items())
        ended = {job.id: job for job in jobs.values() if job.ended}
    assert all(job.state == "done" for job in jobs.values()), jobs
    announced = (folder / "ends").read_text().split()
    assert len(announced) == len(set(announced))
    assert all((Path(job.result) / "manifest.json").is_file() for job in jobs.values())


def test_killed_at_three_random_moments_ten_jobs_end_once_with_whole_results(tmp_path):
    script = tmp_path / "worker.py"
    script.write_text(PREAMBLE + RENAMES)
    ids = [f"job-{number}" for number in range(10)]
    command = [sys.executable, "-I", "-S", str(script)]
    owner = [sys.executable, "-c", OWNER, str(tmp_path), str(tmp_path / "song.wav"), ",".join(ids), *command]
    kill_at_random_moments(tmp_path, owner, ids, 3, 0.5)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_at_twenty_random_moments_ten_conversions_end_once_with_whole_results(tmp_path, home, monkeypatch):
    for name, value in home.items():
        monkeypatch.setenv(name, value)
    song = tmp_path / "song.wav"
    soundfile.write(song, song_samples(2.0), RATE)
    ids = [f"job-{number}" for number in range(10)]
    owner = [sys.executable, "-c", OWNER, str(tmp_path), str(song), ",".join(ids)]
    kill_at_random_moments(tmp_path, owner, ids, 20, 4.0)
    for job_id in ids:
        manifest = json.loads((tmp_path / "out" / job_id / "manifest.json").read_text())
        assert all((tmp_path / "out" / job_id / file["path"]).is_file() for file in manifest["files"])
    assert leftovers(tmp_path / "out") == sorted(ids)


@pytest.fixture
def real(tmp_path, home, monkeypatch) -> tuple[JobSpec, Callable]:
    """A job that is a real conversion of a short bass line, and what starts its real worker, and keeps it."""
    for name, value in home.items():
        monkeypatch.setenv(name, value)
    song = tmp_path / "song.wav"
    soundfile.write(song, song_samples(3.0), RATE)
    (tmp_path / "out").mkdir()
    workers = []

    def start(job):
        workers.append(start_worker(job))
        return workers[-1]

    start.workers = workers
    return JobSpec(str(song), str(tmp_path / "out"), "", Options(recording="bass", quantize="1/16")), start


def test_a_real_conversion_gives_progress_and_a_whole_result(tmp_path, real):
    spec, start = real
    with opened(tmp_path, start) as (queue, witness):
        queue.submit("a", "command", spec)
        ended = witness.wait("ended", "a")[0].job
    assert (ended.state, ended.error_text) == ("done", "")
    assert ended.result == str(tmp_path / "out" / "song")
    assert (tmp_path / "out" / "song" / "manifest.json").is_file()
    assert leftovers(tmp_path / "out") == ["song"]
    stages = [event.job.stage for event in witness.of("progress")]
    assert {"tempo", "notes bass"} <= set(stages)
    assert stages[-1] == "write"
    assert not is_running(start.workers[0].pid)


def test_a_real_conversion_shows_the_notes_of_each_part_before_it_ends(tmp_path, real):
    spec, start = real
    song = JobSpec(spec.source, spec.out_dir, "", Options(separator="builtin", stems=False))
    with opened(tmp_path, start) as (queue, witness):
        queue.submit("a", "command", song)
        ended = witness.wait("ended", "a")[0]
    assert ended.job.state == "done"
    assert {event.found.part for event in witness.of("found")} == {"bass", "melody", "vocals", "drums"}
    kinds = [event.kind for event in witness.events]
    assert kinds[-1] == "ended"
    later = [event.job.stage for event in witness.events[kinds.index("found") :] if event.kind == "progress"]
    assert any(stage.startswith("notes") for stage in later), "notes are still being looked for"
    for part in ("bass", "drums"):
        shown = [note for event in witness.of("found") if event.found.part == part for note in event.found.notes]
        kept = json.loads((Path(ended.job.result) / "notes" / f"{part}.json").read_text())["notes"]
        assert shown == [(note["onset_s"], note["offset_s"], note["pitch"], note["velocity"]) for note in kept]
        assert shown


def test_notes_that_come_after_a_job_was_cancelled_are_shown_to_nobody(tmp_path, standin, spec):
    start = standin(
        """
        signal.signal(signal.SIGTERM, lambda *_: None)
        notes = {"event": "found", "part": "bass", "notes": [[0.0, 1.0, 40, 90]]}
        say(**notes)
        while True:
            time.sleep(0.01)
            say(**notes)
        """
    )
    with opened(tmp_path, start) as (queue, witness):
        queue.submit("a", "command", spec())
        assert witness.wait("found", "a")[0].found.notes == ((0.0, 1.0, 40, 90),)
        queue.cancel("a")
        witness.wait("ended", "a")
    assert witness.events[-1].kind == "ended"


def test_a_job_for_a_clip_leaves_what_the_device_reads(tmp_path, real):
    _, start = real
    clip = {
        "file_path": str(tmp_path / "song.wav"),
        "sample_rate": RATE,
        "sample_length": 3 * RATE,
        "warping": True,
        "warp_markers": [[0.0, 0.0], [0.015625, 0.03125]],
        "start_marker": 0.0,
        "end_marker": 4.0,
        "loop_start": 0.0,
        "loop_end": 4.0,
        "looping": False,
        "is_arrangement": False,
        "tempo": 120.0,
        "signature": [4, 4],
        "name": "My loop",
        "options": {"recording": "bass"},
    }
    asked = spec_from_request(json.dumps(clip).encode(), "a", tmp_path / "out")
    with opened(tmp_path, start) as (queue, witness):
        queue.submit("a", "osc", asked)
        ended = witness.wait("ended", "a")[0].job
        assert (ended.state, ended.error_text) == ("done", "")
        assert queue.get("a") == ended
    assert ended.insert == str(Path(ended.result) / "live" / "insert.json")
    assert json.loads(Path(ended.insert).read_text("ascii"))


def test_a_real_worker_killed_at_work_fails_its_job_and_the_same_song_can_be_converted_again(tmp_path, real):
    spec, start = real
    with opened(tmp_path, start) as (queue, witness):
        queue.submit("a", "command", spec)
        witness.wait("progress", "a")
        os.kill(start.workers[0].pid, signal.SIGKILL)
        failed = witness.wait("ended", "a")[0].job
        assert (failed.state, failed.error_code) == ("failed", "engine-crashed")
        assert not (tmp_path / "out" / "song").exists()
        queue.submit("b", "command", spec)
        assert witness.wait("ended", "b")[0].job.state == "done"
    assert leftovers(tmp_path / "out") == ["song"]


def test_a_real_conversion_that_is_cancelled_leaves_nothing(tmp_path, real):
    spec, start = real
    with opened(tmp_path, start) as (queue, witness):
        queue.submit("a", "command", spec)
        witness.wait("progress", "a")
        queue.cancel("a")
        until(lambda: not is_running(start.workers[0].pid))
    assert witness.ids("ended") == ["a"]
    assert leftovers(tmp_path / "out") == []


def test_a_real_worker_tells_why_a_file_cannot_be_converted(tmp_path, real):
    spec, start = real
    Path(spec.source).write_text("no sound")
    with opened(tmp_path, start) as (queue, witness):
        queue.submit("a", "command", spec)
        ended = witness.wait("ended", "a")[0].job
    assert (ended.state, ended.error_code) == ("failed", "audio-unreadable")


def test_a_real_worker_ends_when_its_parent_is_killed(tmp_path, real):
    spec, _ = real
    script = """
import sys, time
from bridge.jobs.model import Job, spec_from_json
from bridge.jobs.worker import start_worker
worker = start_worker(Job("a", "osc", 0, spec_from_json(sys.argv[1])))
while worker.receive(60) == "alive":
    pass
print(worker.pid, flush=True)
time.sleep(60)
"""
    arguments = [sys.executable, "-c", script, spec_to_json(spec)]
    with subprocess.Popen(arguments, cwd=REPOSITORY, stdout=subprocess.PIPE) as parent, parent.stdout as news:
        pid = int(news.readline())
        assert is_running(pid)
        parent.kill()
    until(lambda: not is_running(pid))
    assert leftovers(tmp_path / "out") == []


def test_a_real_worker_ends_when_its_input_does_and_leaves_nothing(tmp_path, real):
    spec, _ = real
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(COMMAND, env=environment, **pipes) as worker:
        worker.stdin.write(spec_to_json(spec).encode() + b"\n")
        worker.stdin.flush()
        assert b"progress" in worker.stdout.readline()
        worker.stdin.close()
        assert b'"cancelled"' in worker.stdout.read().splitlines()[-1]
    assert leftovers(tmp_path / "out") == []


def test_what_an_engine_prints_does_not_get_among_the_news():
    script = (
        "import os; from bridge.jobs.worker_main import _take_over_stdout; out = _take_over_stdout(); "
        "print('stray', flush=True); os.write(1, b'stray'); out.write(b'news'); out.flush()"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, check=True)
    assert done.stdout == b"news"
    assert done.stderr.count(b"stray") == 2
