import logging
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import pytest

from bridge.jobs import schema
from bridge.jobs.model import Job, JobSpec, JobState
from bridge.jobs.refusals import StoreLocked, StoreUnusable, StoreUnwritable
from bridge.jobs.store import JobStore, peek

REPOSITORY = Path(__file__).parents[2]
#: A name that isn't valid UTF-8, as Python holds it.
ODD = "/music/\udcff\u4e2d\n.wav"


def job(job_id: str = "a", state: JobState = "queued", **fields: object) -> Job:
    if state in ("done", "failed", "cancelled"):
        fields.setdefault("ended_s", 5.0)
    return Job(job_id, "osc", 0, JobSpec(ODD, "/out"), state, **fields)  # type: ignore[arg-type]


def changed(before: Job, **fields: object) -> Job:
    return msgspec.structs.replace(before, **fields)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "daemon" / "jobs.sqlite3"


def test_a_job_comes_back_as_it_was_kept(path: Path) -> None:
    kept = job(created_s=1.5)
    ended = changed(kept, state="done", result=ODD, insert=ODD, error_text=ODD, started_s=2.0, ended_s=3.0, attempts=2)
    with JobStore(path) as store:
        assert store.add(kept) is kept
        assert store.save(ended)
    with JobStore(path) as store:
        assert store.get("a") == ended
        assert store.get("b") is None
        assert store.recent(5) == [ended]
        assert store.unfinished() == []


def test_an_id_is_kept_once(path: Path) -> None:
    with JobStore(path) as store:
        store.add(job(created_s=1.0))
        assert store.add(job(created_s=2.0)).created_s == 1.0
        assert len(store.recent(5)) == 1


@pytest.mark.parametrize("state", ["done", "failed", "cancelled"])
def test_what_has_ended_is_never_written_again(path: Path, state: JobState) -> None:
    with JobStore(path) as store:
        ended = store.add(job(state=state))
        for other in ("queued", "running"):
            assert not store.save(job(state=other))
        for other in ("done", "failed", "cancelled"):
            assert not store.save(job(state=other, error_code="x", ended_s=9.0))
        assert store.get("a") == ended


def test_a_second_process_cannot_end_a_job_again_either(path: Path) -> None:
    with JobStore(path) as one, JobStore(path) as other:
        one.add(job())
        assert one.save(job(state="done"))
        assert not other.save(job(state="failed"))
        assert other.get("a").state == "done"


def test_two_processes_that_write_at_once_wait_for_each_other(path: Path) -> None:
    def add(store: JobStore, prefix: str) -> None:
        for number in range(40):
            store.add(job(f"{prefix}{number}"))

    with JobStore(path, busy_timeout_s=20.0) as one, JobStore(path, busy_timeout_s=20.0) as other:
        with ThreadPoolExecutor() as pool:
            for done in [pool.submit(add, one, "a"), pool.submit(add, other, "b")]:
                done.result()
        assert len(one.recent(100)) == 80


def test_unfinished_jobs_come_in_the_order_of_their_acceptance(path: Path) -> None:
    with JobStore(path) as store:
        for number in range(5):
            store.add(job(f"j{number}", created_s=-number))
        store.save(job("j1", "running"))
        store.save(job("j3", "done"))
        assert [kept.id for kept in store.unfinished()] == ["j0", "j1", "j2", "j4"]
        assert [kept.id for kept in store.recent(2)] == ["j4", "j3"]


def test_the_write_is_on_disk_and_in_the_log_before_the_call_returns(path: Path) -> None:
    with JobStore(path) as store:
        pragmas = [
            store._database._connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous")
        ]
        assert pragmas == ["wal", 2]
        store.add(job())
        assert [kept.id for kept in peek(path, 5)] == ["a"]


def test_old_ended_jobs_are_forgotten_but_never_the_last_ones_nor_unfinished_ones(path: Path) -> None:
    now = [0.0]
    with JobStore(path, clock=lambda: now[0], keep_jobs=3, keep_s=100.0) as store:
        store.add(job("waiting"))
        for number in range(10):
            store.add(job(f"j{number}"))
            store.save(job(f"j{number}", "done", ended_s=float(number)))
        assert len(store.recent(50)) == 11
        now[0] = 106.5
        store.add(job("late"))
        store.save(job("late", "done", ended_s=106.5))
        assert {kept.id for kept in store.recent(50)} == {"waiting", "j7", "j8", "j9", "late"}
        now[0] = 1e9
        store.add(job("later"))
        store.save(job("later", "done", ended_s=1e9))
        assert {kept.id for kept in store.recent(50)} == {"waiting", "j9", "late", "later"}


def test_a_database_of_the_first_version_is_migrated_with_its_jobs(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        schema.migrate(connection, schema.STEPS[:1])
        connection.execute(
            "INSERT INTO jobs (id, origin, priority, spec, state, attempts, error_code, error_text, created_s) "
            """VALUES ('old', 'watch', 20, '{"source": "/a.wav", "out_dir": "/out"}', 'running', 1, '', '""', 7.0)"""
        )
        assert schema.version_of(connection) == 1
    with JobStore(path) as store:
        old = Job("old", "watch", 20, JobSpec("/a.wav", "/out"), "running", attempts=1, created_s=7.0)
        assert store.unfinished() == [old]
        assert store.save(changed(old, stage="separate", fraction=0.5))
        assert store.get("old").stage == "separate"
        assert schema.version_of(store._database._connection) == schema.VERSION


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "x", isolation_level=None)) as connection:
        with pytest.raises(sqlite3.OperationalError):
            schema.migrate(connection, (*schema.STEPS, "CREATE TABLE more (x)\n\nCREATE TABLE jobs (x)"))
        assert schema.version_of(connection) == 0
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)


def test_a_database_of_a_newer_version_is_refused_and_stays(path: Path) -> None:
    JobStore(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    with pytest.raises(StoreUnusable, match="newer Stembridge"):
        JobStore(path)
    assert [file.name for file in path.parent.iterdir() if "corrupt" in file.name] == []


@pytest.mark.parametrize("damage", ["no database", "header", "page"])
def test_a_corrupt_database_is_set_aside_and_said(path: Path, damage: str, caplog) -> None:
    with JobStore(path) as store:
        for number in range(50):
            store.add(job(f"j{number}", error_text="x" * 500))
    data = bytearray(path.read_bytes())
    if damage == "no database":
        data[:] = b"this is no database" * 1000
    elif damage == "header":
        data[:16] = bytes(16)
    else:
        data[4096:] = os.urandom(len(data) - 4096)
    path.write_bytes(data)
    with caplog.at_level(logging.WARNING), JobStore(path, clock=lambda: 0.0) as store:
        assert store.recent(5) == []
        store.add(job())
        (problem,) = store.problems
    aside = path.with_name("jobs.sqlite3.corrupt-19700101-000000")
    assert str(aside) in problem
    assert problem in caplog.messages
    assert aside.read_bytes() == bytes(data)
    assert "\n" not in problem
    with JobStore(path) as store:
        assert store.problems == []
        assert store.get("a") is not None


@pytest.mark.parametrize("start,end", [(0, 16), (8192, 24576)])
def test_what_a_crash_left_in_the_log_is_set_aside_with_the_rest(
    path: Path, tmp_path: Path, start: int, end: int
) -> None:
    with JobStore(path) as store:
        for number in range(50):
            store.add(job(f"j{number}", created_s=1.0))
        store._database._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        store.save(job("j3", "running", stage="the last change"))
        crashed = shutil.copytree(path.parent, tmp_path / "crashed") / path.name  # as it is without being closed
    data = bytearray(crashed.read_bytes())
    data[start:end] = bytes(end - start)
    crashed.write_bytes(data)
    with JobStore(crashed) as store:
        assert len(store.problems) == 1
    aside = [file.read_bytes() for file in crashed.parent.iterdir() if "corrupt" in file.name]
    assert any(b"the last change" in content for content in aside)


def test_a_database_that_becomes_corrupt_while_in_use_is_set_aside_too(path: Path) -> None:
    with JobStore(path) as store:
        for number in range(200):
            store.add(job(f"j{number}", error_text="x" * 500))
        store._database._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        path.write_bytes(path.read_bytes()[:4096] + os.urandom(200_000))
        store._database._connection.execute("PRAGMA shrink_memory")
        assert store.generation == 0
        store.add(job("new"))
        assert (store.generation, len(store.problems)) == (1, 1)
        assert [kept.id for kept in store.recent(5)] == ["new"]


def test_an_earlier_corrupt_one_is_not_overwritten(path: Path) -> None:
    for content in (b"one " * 100, b"two " * 100):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        JobStore(path, clock=lambda: 0.0).close()
    aside = sorted(file for file in path.parent.iterdir() if "corrupt" in file.name)
    assert [file.read_bytes()[:3] for file in aside] == [b"one", b"two"]


def test_a_row_that_cannot_be_read_is_ended_and_said_and_the_others_go_on(path: Path) -> None:
    with JobStore(path) as store:
        for job_id in ("bad", "good"):
            store.add(job(job_id))
        store._database._connection.execute("""UPDATE jobs SET spec = '{"source": 3}' WHERE id = 'bad'""")
        assert [kept.id for kept in store.unfinished()] == ["good"]
        assert "job bad" in store.problems[0]
        assert store._database._connection.execute("SELECT state FROM jobs WHERE id = 'bad'").fetchone() == ("failed",)
        assert [kept.id for kept in store.unfinished()] == ["good"]


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Another process's lock on the database."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


def test_a_locked_database_refuses_in_time_is_not_touched_and_works_again_later(path: Path) -> None:
    with JobStore(path, busy_timeout_s=0.05) as store:
        store.add(job())
        with held(path):
            for write in (store.add, store.save):
                with pytest.raises(StoreLocked, match="another program holds") as refused:
                    write(job("b"))
                assert refused.value.code == "locked"
            assert store.get("a") == job()
        assert store.get("b") is None
        store.add(job("b"))
        assert (store.problems, store.generation) == ([], 0)


def test_a_database_that_is_locked_from_the_start_is_said_stays_and_works_later(path: Path) -> None:
    with JobStore(path) as store:
        store.add(job())
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        store = JobStore(path, busy_timeout_s=0.05)
        assert "another program holds" in store.problems[0]
        with pytest.raises(StoreLocked):
            store.get("a")
    assert store.get("a") == job()
    store.close()


def test_a_new_database_that_could_not_be_made_is_made_later(path: Path, monkeypatch) -> None:
    with JobStore(path) as store:
        store.add(job(error_text="x" * 10_000))
        store._database._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        path.write_bytes(b"no database" * 4000)
        with files_no_larger_than(0):
            for _ in range(2):
                with pytest.raises(StoreUnwritable):
                    store.add(job("new"))
        assert store.add(job("newer")).id == "newer"
        assert [kept.id for kept in store.recent(5)] == ["newer"]
        assert store.generation == 1


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """The system refuses to let a file grow, as on a full disk."""
    resource = pytest.importorskip("resource", reason="Windows has no such limit")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def test_on_a_full_disk_a_job_is_refused_and_nothing_of_it_is_kept(path: Path) -> None:
    with JobStore(path) as store:
        store.add(job())
        size = Path(f"{path}-wal").stat().st_size
        with files_no_larger_than(size + 100):
            with pytest.raises(StoreUnwritable, match="free some space") as refused:
                store.add(job("b", error_text="x" * 10_000))
            assert refused.value.code == "disk-full"
            assert store.get("b") is None
            assert store.get("a") == job()
        store.add(job("c"))
        assert (store.problems, store.generation) == ([], 0)
    with JobStore(path) as store:
        assert [kept.id for kept in store.recent(5)] == ["c", "a"]


def test_a_folder_that_cannot_be_made_and_a_database_that_cannot_be_opened_are_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreUnusable, match="cannot make"):
        JobStore(tmp_path / "file" / "jobs.sqlite3")
    (tmp_path / "jobs.sqlite3").mkdir()
    with pytest.raises(StoreUnusable, match="cannot use"):
        JobStore(tmp_path / "jobs.sqlite3")


def test_a_closed_store_says_so_instead_of_breaking(path: Path) -> None:
    store = JobStore(path)
    store.close()
    with pytest.raises(StoreUnusable):
        store.get("a")


def test_looking_from_another_process_changes_nothing(path: Path) -> None:
    assert peek(path, 5) == []
    assert not path.exists()
    with JobStore(path) as store:
        for job_id in "abc":
            store.add(job(job_id))
        before = path.read_bytes()
        assert [kept.id for kept in peek(path, 2)] == ["c", "b"]
        assert path.read_bytes() == before
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(StoreUnusable):
        peek(path, 5)


def test_the_daemon_needs_no_numpy_to_keep_jobs_and_settings() -> None:
    script = (
        "import sys, bridge.jobs.queue, bridge.jobs.store, bridge.config, bridge.instance, bridge.logs; "
        "print(*sorted({'numpy', 'torch', 'scipy', 'librosa', 'onnxruntime'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, check=True, capture_output=True, text=True)
    assert done.stdout.split() == []


def test_an_older_version_from_another_process_is_one_line_that_says_what_to_do(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        schema.migrate(connection, schema.STEPS[:1])
    with pytest.raises(StoreUnusable, match="start the daemon once"):
        peek(path, 5)


def test_by_default_an_ended_job_is_kept_for_a_week_and_the_last_thousand_for_longer(path: Path) -> None:
    now = [0.0]
    with JobStore(path, clock=lambda: now[0], keep_jobs=1) as store:
        for job_id in ("old", "last"):
            store.add(job(job_id))
            store.save(job(job_id, "done", ended_s=0.0))
        for days, known in ((6.9, {"old", "last", "6.9"}), (7.1, {"6.9", "7.1"})):
            now[0] = days * 86_400.0
            store.add(job(str(days)))
            store.save(job(str(days), "done", ended_s=now[0]))
            assert {kept.id for kept in store.recent(50)} == known


def test_the_newest_jobs_of_one_origin_are_found_among_many_of_others(path: Path) -> None:
    with JobStore(path) as store:
        store.add(job("a"))
        for number in range(5):
            store.add(msgspec.structs.replace(job(f"w{number}"), origin="watch"))
        store.add(job("b"))
        assert [kept.id for kept in store.recent(3, "osc")] == ["b", "a"]
        assert [kept.id for kept in store.recent(2, "watch")] == ["w4", "w3"]
