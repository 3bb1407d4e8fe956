"""The daemon's side of the protocol, without sockets and with a clock that stands still until moved."""

from __future__ import annotations

import json
import logging
import shutil
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bridge.jobs.refusals import StoreLocked
from bridge.osc import inbox as inboxes
from bridge.osc import shelf as shelves
from bridge.osc import switchboard as switchboards
from bridge.osc.codec import Value, decode, encode, to_json, unescape
from bridge.osc.orders import Clerk, Submit, Tell, job_id, key_of
from bridge.osc.protocol import MAX_REQUEST_CHARS, PING_IDLE_S
from bridge.osc.sessions import MAX_SESSIONS, SESSION_LIFE_S, owner_of
from bridge.osc.shelf import Shelf
from bridge.osc.switchboard import Switchboard
from tests.integration.osc_support import SECRET, MemoryQueue, chunks_of, hello, to_spec

TOKEN = "token-aaaa"
OWN_PORT = 17900


@dataclass
class Sent:
    port: int
    name: str
    values: dict[str, Value]


@dataclass
class Bench:
    """A switchboard with a queue; whatever it orders is carried out at once, unless `clerk_works` is off."""

    queue: MemoryQueue = field(default_factory=MemoryQueue)
    clerk_works: bool = True
    shelf: Path = Path("/nowhere")
    now_s: float = 1000.0
    sent: list[Sent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.board = Switchboard(SECRET, OWN_PORT, "0.1.0", ("extra",))
        self.board.jobs_known(self.queue.jobs(1000))
        self.clerk = Clerk(self.queue, to_spec, Shelf(self.shelf))
        self.leave = self.queue.subscribe(lambda event: self.board.job_moved(event.job, self.now_s))

    def receive(self, datagram: bytes, host: str = "127.0.0.1") -> list[Sent]:
        """What a datagram is answered, when all that it ordered is done."""
        before = len(self.sent)
        self.board.receive(datagram, host, self.now_s)
        self.settle()
        return self.sent[before:]

    def settle(self) -> None:
        while self.clerk_works and self.board.outbox.orders:
            done = self.clerk.carry_out(self.board.outbox.orders.pop(0))
            if done.accepted:
                self.board.job_accepted(done.order.key, self.now_s)
            if done.ending is not None:
                self.board.job_ended(done.order.key, done.ending, self.now_s)
            if not isinstance(done.order, Tell):
                self.board.order_done(done.order)
        for port, datagram in self.board.outbox.outgoing:
            packet = decode(datagram, to="device")
            self.sent.append(Sent(port, packet.name, dict(packet.values)))
        self.board.outbox.outgoing.clear()

    def wait(self, seconds: float) -> list[Sent]:
        """What is sent in the next so many seconds."""
        before, end_s = len(self.sent), self.now_s + seconds
        while (next_s := self.board.next_s()) is not None and next_s <= end_s:
            self.now_s = max(self.now_s, next_s)
            self.board.tick(self.now_s)
            self.settle()
        self.now_s = end_s
        return self.sent[before:]

    def hello(self, **changes: Any) -> list[Sent]:
        return self.receive(encode("hello", json=to_json(hello(**changes))))

    def send(self, name: str, **values: Value) -> list[Sent]:
        return self.receive(encode(name, **{"token": TOKEN, **values}))

    def request(self, job: str = "job-1", **facts: Any) -> list[Sent]:
        parts = chunks_of({"file_path": "/music/song.wav"} | facts)
        before = len(self.sent)
        for index, chunk in enumerate(parts):
            self.send("job/part", job=job, idx=index, total=len(parts), chunk=chunk)
        return self.sent[before:]

    def move(self, kind: str, job: str = "job-1", **changes: Any) -> list[Sent]:
        """The queue's next event of a job, and what follows at once."""
        before = len(self.sent)
        self.queue.move(job_id((owner_of("inst-a"), job)), kind, **changes)
        self.settle()
        return self.sent[before:]

    def dropped(self) -> dict[str, int]:
        return dict(self.board.tally.total)


def names(sent: list[Sent]) -> list[str]:
    return [each.name for each in sent]


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def met(bench: Bench) -> Bench:
    """A bench with one device in session."""
    assert names(bench.hello()) == ["welcome"]
    return bench


@pytest.fixture
def insert(tmp_path: Path) -> Path:
    path = tmp_path / "Füße, 1.json"
    path.write_bytes(b'{"clips":[]}')
    return path


def broken_to_spec(request: bytes, identity: str) -> Any:
    raise RecursionError


# Sessions


def test_a_hello_with_the_secret_is_welcomed_at_its_port(bench: Bench):
    (welcome,) = bench.hello(rx=23456)
    assert welcome.port == 23456
    assert welcome.values["token"] == TOKEN
    said = json.loads(str(welcome.values["json"]))
    assert said == {"proto": 1, "daemon": "0.1.0", "features": ["extra"], "busy": 0}


@pytest.mark.parametrize(
    "changes, code",
    [
        ({"secret": "wrong"}, "secret"),
        ({"secret": SECRET + "x"}, "secret"),
        ({"secret": "ü" * 10}, "secret"),
        ({"proto_min": 2, "proto_max": 3}, "version"),
    ],
)
def test_a_hello_is_refused_with_a_code_and_what_to_do(bench: Bench, changes: dict[str, Any], code: str):
    (refusal,) = bench.hello(**changes)
    assert (refusal.name, refusal.values["code"], refusal.port) == ("refuse", code, 17901)
    assert unescape(str(refusal.values["text"])).endswith(".")
    assert not bench.send("ping", inst="inst-a", seq=1), "a refused device has a session"


def test_a_device_that_is_too_new_is_told_which_side_to_update(bench: Bench):
    (refusal,) = bench.hello(proto_min=2, proto_max=3)
    assert "Update Stembridge" in unescape(str(refusal.values["text"]))


def test_a_newer_device_that_still_speaks_this_version_is_welcome(bench: Bench):
    (welcome,) = bench.hello(proto_min=1, proto_max=7, later_field={"a": [1]})
    assert json.loads(str(welcome.values["json"]))["proto"] == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"rx": 80},
        {"rx": 65536},
        {"rx": "17901"},
        {"rx": 17901.5},
        {"rx": OWN_PORT},
        {"token": "short"},
        {"token": "x" * 65},
        {"token": "with space in it"},
        {"inst": ""},
        {"inst": "../../etc"},
        {"inst": "a\n"},
        {"proto_min": 0},
        {"proto_min": 10**30},
        {"live": "x" * 65},
        {"dev": None},
        {"secret": ""},
    ],
)
def test_a_hello_against_its_table_is_dropped(bench: Bench, changes: dict[str, Any]):
    assert bench.hello(**changes) == []
    assert bench.dropped() == {"bad-hello": 1}


@pytest.mark.parametrize("wrong", ['{"dev":"1"}', "{}", "{" + "[" * 900, '{"a":' * 150, '{"dev":"\\ud800"}', "[]"])
def test_a_hello_that_is_no_such_json_is_dropped(bench: Bench, wrong: str):
    assert bench.receive(encode("hello", json=wrong)) == []
    assert sum(bench.dropped().values()) == 1


def test_wrong_secrets_are_answered_at_a_limited_rate(bench: Bench):
    for _ in range(200):
        bench.hello(secret="wrong")
    assert len(bench.sent) == switchboards.REFUSALS_PER_S
    bench.now_s += 1.5
    assert names(bench.hello(secret="wrong")) == ["refuse"]


def test_saying_hello_again_is_harmless(met: Bench):
    met.request()
    assert names(met.hello()) == ["welcome", "job/accepted"]
    assert len(met.queue.submissions) == 1


def test_a_reloaded_device_takes_the_place_of_the_one_at_its_port(met: Bench):
    met.hello(inst="inst-b", token="token-bbbb")
    assert met.send("ping", inst="inst-a", seq=1) == []
    assert names(met.send("ping", token="token-bbbb", inst="inst-b", seq=1)) == ["pong"]


def test_a_device_that_changes_its_port_is_answered_at_the_new_one(met: Bench):
    met.hello(rx=20002)
    (pong,) = met.send("ping", inst="inst-a", seq=1)
    assert pong.port == 20002


def test_goodbye_is_said_once_to_each_device_and_ends_its_session(met: Bench):
    met.hello(inst="inst-b", token="token-bbbb", rx=20002)
    met.board.say_goodbye()
    met.board.say_goodbye()
    met.settle()
    said = [(each.port, each.values) for each in met.sent if each.name == "bye"]
    assert said == [(17901, {"token": TOKEN}), (20002, {"token": "token-bbbb"})]
    assert met.send("ping", inst="inst-a", seq=1) == []


def test_a_token_cannot_be_taken_by_another_device(met: Bench):
    (refusal,) = met.hello(inst="inst-b", rx=20002)
    assert refusal.values["code"] == "token"
    assert [each.port for each in met.send("ping", inst="inst-a", seq=1)] == [17901]


def test_there_are_no_more_sessions_than_allowed(bench: Bench):
    for number in range(MAX_SESSIONS):
        bench.hello(inst=f"inst-{number}", token=f"token-{number:04}", rx=20000 + number)
    (refusal,) = bench.hello(inst="more", token="token-more", rx=30000)
    assert refusal.values["code"] == "too-many-devices"
    assert names(bench.hello(inst="inst-0", token="token-0000", rx=20000)) == ["welcome"]


def test_a_silent_device_is_asked_and_then_forgotten(met: Bench):
    sent = met.wait(300.0)
    assert names(sent) == ["ping"] * 5
    assert [each.values["seq"] for each in sent] == [1, 2, 3, 4, 5]
    assert met.send("ping", inst="inst-a", seq=1) == []
    assert met.dropped() == {"unknown-token": 1}


def test_a_device_that_answers_stays(met: Bench):
    for _ in range(30):
        met.wait(10.0)
        met.send("pong", inst="inst-a", seq=1)
    assert names(met.send("ping", inst="inst-a", seq=7)) == ["pong"]


def test_nothing_is_answered_to_other_machines(met: Bench):
    assert met.receive(encode("ping", token=TOKEN, inst="inst-a", seq=1), host="192.168.1.5") == []
    assert met.receive(encode("hello", json=to_json(hello())), host="10.0.0.1") == []
    assert met.dropped() == {"not-loopback": 2}


@pytest.mark.parametrize(
    "name, values",
    [
        ("ping", {"inst": "inst-a", "seq": 1}),
        ("job/part", {"job": "j", "idx": 0, "total": 1, "chunk": "%7B%7D"}),
        ("job/cancel", {"job": "j"}),
        ("job/resultack", {"job": "j"}),
        ("job/inserted", {"job": "j", "clips": 1, "notes": 1}),
    ],
)
def test_without_a_session_nothing_is_answered_or_done(bench: Bench, name: str, values: dict[str, Value]):
    assert bench.send(name, **values) == []
    assert bench.queue.submissions == []
    assert bench.dropped() == {"unknown-token": 1}


# Requests


def test_a_request_is_acknowledged_and_accepted(met: Bench):
    sent = met.request()
    assert names(sent) == ["job/ack", "job/accepted"]
    assert sent[0].values == {"token": TOKEN, "job": "job-1", "missing": ""}
    (submitted,) = met.queue.submissions
    assert key_of(submitted) == (owner_of("inst-a"), "job-1")
    job = met.queue.get(submitted)
    assert job is not None
    assert (job.origin, job.spec.source) == ("osc", "/music/song.wav")


def test_a_name_that_is_not_ascii_arrives_whole(met: Bench):
    met.request(file_path="/音楽/Füße 🎹, 100%.wav")
    job = met.queue.get(met.queue.submissions[0])
    assert job is not None
    assert job.spec.source == "/音楽/Füße 🎹, 100%.wav"


def test_what_is_missing_is_asked_for_after_a_moment_once(met: Bench):
    parts = chunks_of({"file_path": "/a.wav", "filler": "x" * 3000})
    for index in (0, 1, 1, 3):
        assert met.send("job/part", job="job-1", idx=index, total=len(parts), chunk=parts[index]) == []
    sent = met.wait(1.0)
    assert [(each.name, each.values["missing"]) for each in sent] == [("job/ack", "2")]
    assert names(met.send("job/part", job="job-1", idx=2, total=len(parts), chunk=parts[2])) == [
        "job/ack",
        "job/accepted",
    ]


def test_a_request_sent_again_while_its_job_runs_starts_nothing(met: Bench):
    met.request(filler="x" * 3000)
    assert met.request(filler="x" * 3000) == []
    assert names(met.wait(1.0)) == ["job/ack", "job/accepted"]
    assert len(met.queue.submissions) == 1


def test_jobs_of_the_same_name_from_two_devices_are_two_jobs(met: Bench):
    met.request("same")
    met.hello(inst="inst-b", token="token-bbbb", rx=20002)
    (chunk,) = chunks_of({"file_path": "/b.wav"})
    sent = met.send("job/part", token="token-bbbb", job="same", idx=0, total=1, chunk=chunk)
    assert [(each.name, each.port) for each in sent] == [("job/ack", 20002), ("job/accepted", 20002)]
    assert len(met.queue.submissions) == 2


@pytest.mark.parametrize("request_text", ["nonsense", "%7B%7D", "%7B%22file_path%22%3A5%7D", "%7B%", "%7B%FF%7D"])
def test_a_request_that_makes_no_sense_ends_its_job(met: Bench, request_text: str):
    sent = met.send("job/part", job="job-1", idx=0, total=1, chunk=request_text)
    assert [(each.name, each.values.get("code")) for each in sent] == [
        ("job/ack", None),
        ("job/error", "invalid-request"),
    ]
    assert met.queue.submissions == []


def test_a_full_queue_says_busy_and_the_job_has_ended():
    bench = Bench(MemoryQueue(limit=1))
    bench.hello()
    bench.request("first")
    assert [(each.name, each.values.get("code")) for each in bench.request("second")] == [
        ("job/ack", None),
        ("job/error", "busy"),
    ]
    bench.now_s += 1.0
    assert names(bench.request("second")) == ["job/error"]


def test_too_many_orders_at_once_say_busy(met: Bench):
    met.clerk_works = False
    for number in range(switchboards.MAX_ORDERS_EACH):
        assert names(met.request(f"job-{number}")) == ["job/ack"]
    assert met.request("more")[-1].values["code"] == "busy"
    met.clerk_works = True
    met.settle()
    assert names(met.request("again"))[-1] == "job/accepted"


def test_too_large_a_request_ends_its_job(met: Bench):
    count = MAX_REQUEST_CHARS // 800 + 1
    for index in range(count):
        met.send("job/part", job="job-1", idx=index, total=count + 1, chunk="x" * 800)
    assert met.sent[-1].values["code"] == "too-large"


def test_a_request_that_is_never_completed_is_forgotten(met: Bench):
    met.send("job/part", job="job-1", idx=0, total=2, chunk="%7B")
    met.wait(inboxes.ASSEMBLY_LIFE_S + 1)
    assert met.dropped() == {"request-never-completed": 1}
    assert names(met.request()) == ["job/ack", "job/accepted"]


def test_a_part_that_disagrees_is_dropped(met: Bench):
    met.send("job/part", job="job-1", idx=0, total=2, chunk="a")
    met.send("job/part", job="job-1", idx=0, total=2, chunk="b")
    met.send("job/part", job="job-1", idx=1, total=3, chunk="b")
    assert met.dropped() == {"conflict": 2}


# Progress


def test_progress_comes_at_most_five_times_a_second_and_is_the_newest(met: Bench):
    met.request()
    sent = []
    for step in range(1000):
        met.move("progress", state="running", stage="separate", fraction=step / 1000)
        sent += met.wait(0.002)
    progress = [each for each in sent if each.name == "job/progress"]
    assert 10 <= len(progress) <= 11
    assert [each.values["seq"] for each in progress] == list(range(1, len(progress) + 1))
    assert progress[0].values["stage"] == "separate"
    sent = met.wait(1.0)
    assert [each.values["permille"] for each in sent] == [999]


def test_after_a_hello_progress_is_told_at_once_and_counts_anew(met: Bench):
    met.request()
    for fraction in (0.1, 0.2):
        met.move("progress", state="running", stage="separate", fraction=fraction)
        met.wait(1.0)
    met.hello()
    assert [(each.values["seq"], each.values["permille"]) for each in met.wait(1.0)] == [(1, 200)]


def test_progress_is_told_only_to_the_device_that_asked(met: Bench):
    met.hello(inst="inst-b", token="token-bbbb", rx=20002)
    met.request()
    met.move("progress", state="running", stage="separate", fraction=0.5)
    assert {each.port for each in met.wait(1.0)} == {17901}


def test_no_progress_comes_after_the_end(met: Bench, insert: Path):
    met.request()
    met.move("progress", state="running", stage="separate", fraction=0.1)
    met.move("progress", state="running", stage="separate", fraction=0.9)
    met.move("ended", state="done", insert=str(insert))
    met.send("job/resultack", job="job-1")
    assert met.wait(5.0) == []


# Ends


def test_a_result_is_the_path_of_its_file_and_its_checksum(met: Bench, insert: Path):
    met.request()
    (result,) = met.move("ended", state="done", insert=str(insert))
    assert result.name == "job/result"
    assert unescape(str(result.values["path"])) == str(insert)
    assert result.values["crc32"] == f"{zlib.crc32(insert.read_bytes()):08x}"


def test_the_checksum_is_that_of_a_file_of_any_size(met: Bench, insert: Path):
    insert.write_bytes(b"0123456789" * 300_000)
    met.request()
    (result,) = met.move("ended", state="done", insert=str(insert))
    assert result.values["crc32"] == f"{zlib.crc32(insert.read_bytes()):08x}"


def test_a_result_is_repeated_until_it_is_acknowledged(met: Bench, insert: Path):
    met.request()
    met.move("ended", state="done", insert=str(insert))
    assert names(met.wait(2.5)) == ["job/result"] * 3
    met.send("job/resultack", job="job-1")
    assert met.wait(9.0) == []


def test_repeating_stops_when_the_device_is_gone_and_starts_over_when_it_is_back(met: Bench, insert: Path):
    met.request()
    met.move("ended", state="done", insert=str(insert))
    met.wait(600.0)
    assert met.wait(600.0) == []
    assert names(met.hello()) == ["welcome", "job/result"]
    assert names(met.wait(1.0)) == ["job/result"] * 2


def test_having_inserted_acknowledges_too_and_is_logged(met: Bench, insert: Path, caplog: pytest.LogCaptureFixture):
    met.request()
    met.move("ended", state="done", insert=str(insert))
    with caplog.at_level(logging.INFO):
        met.send("job/inserted", job="job-1", clips=5, notes=321)
    assert "5 clips with 321 notes" in caplog.text
    assert met.wait(9.0) == []


def test_a_request_sent_again_after_the_end_gives_the_same_end(met: Bench, insert: Path):
    met.request()
    (first,) = met.move("ended", state="done", insert=str(insert))
    met.send("job/resultack", job="job-1")
    met.wait(1.0)
    assert met.request(filler="x" * 5000) == [first], "once, not once for each part"
    assert len(met.queue.submissions) == 1


def test_a_failure_is_told_with_code_and_text(met: Bench):
    met.request()
    (error,) = met.move("ended", state="failed", error_code="audio-unreadable", error_text="ü" * 600)
    assert error.values["code"] == "audio-unreadable"
    assert set(unescape(str(error.values["text"]))) == {"ü"}


@pytest.mark.parametrize(
    "insert_path, code",
    [(None, "internal"), ("/nowhere/insert.json", "result-missing")],
)
def test_a_job_whose_result_is_not_there_ends_in_an_error(met: Bench, insert_path: str | None, code: str):
    met.request()
    (error,) = met.move("ended", state="done", insert=insert_path)
    assert (error.name, error.values["code"]) == ("job/error", code)


@pytest.fixture
def deep(tmp_path: Path) -> Path:
    """A file whose path of some 200 characters has far more than a message holds, once encoded."""
    file = tmp_path.joinpath(*["音楽" * 35] * 3) / "insert.json"
    file.parent.mkdir(parents=True)
    file.write_bytes(b'{"clips": []}')
    return file


def test_a_path_too_long_for_a_message_is_told_as_that_of_a_copy(deep: Path, tmp_path: Path):
    bench = Bench(shelf=tmp_path / "live")
    bench.hello()
    bench.request()
    (result,) = bench.move("ended", state="done", insert=str(deep))
    copy = Path(unescape(str(result.values["path"])))
    assert copy.name == "insert.json"
    assert copy.is_relative_to(tmp_path / "live")
    assert copy.read_bytes() == deep.read_bytes()
    assert result.values["crc32"] == f"{zlib.crc32(deep.read_bytes()):08x}"


def test_after_a_restart_the_copy_is_made_again(deep: Path, tmp_path: Path):
    bench = Bench(shelf=tmp_path / "live")
    bench.hello()
    bench.request()
    bench.move("ended", state="done", insert=str(deep))
    shutil.rmtree(tmp_path / "live")
    _, result = Bench(bench.queue, shelf=tmp_path / "live").hello()
    assert Path(unescape(str(result.values["path"]))).read_bytes() == deep.read_bytes()


@pytest.mark.parametrize("shelf, code", [("a file", "output-unwritable"), ("deep", "path-unusable")])
def test_where_no_short_path_can_be_had_the_job_ends_in_an_error(deep: Path, tmp_path: Path, shelf: str, code: str):
    (tmp_path / "a file").touch()
    bench = Bench(shelf=tmp_path / "a file" if shelf == "a file" else deep.parent)
    bench.hello()
    bench.request()
    (error,) = bench.move("ended", state="done", insert=str(deep))
    assert (error.name, error.values["code"]) == ("job/error", code)


def test_only_the_newest_copies_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shelves, "KEPT", 3)
    file = tmp_path / "insert.json"
    file.write_bytes(b"{}")
    shelf = Shelf(tmp_path / "live")
    copies = [shelf.put(f"job-{number}", file) for number in range(5)]
    assert copies[2] == shelf.put("job-2", file), "one for each job"
    assert [copy.exists() for copy in copies] == [False, False, True, True, True]


def test_cancelling_a_running_job_ends_it(met: Bench):
    met.request()
    (error,) = met.send("job/cancel", job="job-1")
    assert error.values["code"] == "cancelled"
    assert met.queue.jobs(1)[0].state == "cancelled"


def test_cancelling_an_incomplete_request_ends_it_for_ever(met: Bench):
    met.send("job/part", job="job-1", idx=0, total=2, chunk="%7B")
    (error,) = met.send("job/cancel", job="job-1")
    assert error.values["code"] == "cancelled"
    met.send("job/resultack", job="job-1")
    assert met.wait(9.0) == []
    assert names(met.request()) == ["job/error"]
    met.wait(50.0)
    assert met.queue.submissions == []
    assert met.dropped() == {}


def test_a_cancel_that_overtakes_its_request_still_cancels_it(met: Bench):
    assert met.send("job/cancel", job="job-1")[0].values["code"] == "cancelled"
    met.now_s += 1
    assert names(met.request()) == ["job/error"]
    assert met.queue.submissions == []


def test_parts_that_come_while_a_cancel_is_carried_out_start_nothing(met: Bench):
    met.clerk_works = False
    met.send("job/cancel", job="job-1")
    met.request()
    met.clerk_works = True
    met.settle()
    assert [each.values["code"] for each in met.sent if each.name == "job/error"] == ["cancelled"]
    assert met.queue.submissions == []


def test_a_cancel_that_comes_too_late_is_answered_with_the_result(met: Bench, insert: Path):
    met.request()
    met.move("ended", state="done", insert=str(insert))
    met.now_s += 1
    assert names(met.send("job/cancel", job="job-1")) == ["job/result"]


def test_a_cancel_that_the_disk_refuses_can_be_sent_again(met: Bench, monkeypatch: pytest.MonkeyPatch):
    def locked(identity: str) -> Any:
        raise StoreLocked("Another process holds the database.")

    met.request()
    with monkeypatch.context() as patch:
        patch.setattr(met.queue, "cancel", locked)
        assert met.send("job/cancel", job="job-1") == []
    assert met.send("job/cancel", job="job-1")[0].values["code"] == "cancelled"


def test_a_flood_of_cancels_is_bounded(met: Bench):
    met.clerk_works = False
    for number in range(500):
        met.send("job/cancel", job=f"job-{number % 100}")
    assert len(met.board.outbox.orders) == switchboards.MAX_ORDERS_EACH
    for device in range(8):
        met.hello(inst=f"inst-{device}", token=f"token-{device}-", rx=18000 + device)
        for number in range(100):
            met.send("job/cancel", job=f"job-{number}", token=f"token-{device}-")
    assert len(met.board.outbox.orders) == switchboards.MAX_ORDERS


# A daemon that was started again


def test_after_a_restart_ends_are_told_to_the_device_that_asked(met: Bench, insert: Path):
    for number in range(3):
        met.request(f"job-{number}")
    met.move("ended", "job-0", state="done", insert=str(insert))
    met.move("ended", "job-1", state="failed", error_code="hung", error_text="It hung.")
    met.leave()

    again = Bench(met.queue)
    assert names(again.hello(inst="inst-b", token="token-bbbb", rx=20002)) == ["welcome"]
    told = again.hello()
    assert [(each.name, each.values.get("job")) for each in told] == [
        ("welcome", None),
        ("job/accepted", "job-2"),
        ("job/error", "job-1"),
        ("job/result", "job-0"),
    ]
    for job in ("job-0", "job-1"):
        again.send("job/resultack", job=job)
    assert names(again.wait(9.0)) == []
    assert names(again.hello()) == ["welcome", "job/accepted"]


def test_after_a_restart_progress_is_told_anew(met: Bench):
    met.request()
    met.leave()
    again = Bench(met.queue)
    again.hello()
    again.move("progress", state="running", stage="transcribe", fraction=0.25)
    (progress,) = again.wait(1.0)
    assert (progress.values["seq"], progress.values["permille"]) == (1, 250)


def test_after_a_restart_a_request_sent_again_finds_its_end(met: Bench, insert: Path):
    met.request()
    met.move("ended", state="done", insert=str(insert))
    met.leave()
    again = Bench(met.queue)
    again.clerk_works = False
    again.hello()
    again.board.outbox.orders.clear()  # what the hello alone would have told
    again.clerk_works = True
    assert names(again.request()) == ["job/ack", "job/result"]
    assert len(met.queue.submissions) == 1


def test_after_a_restart_a_request_sent_again_is_not_judged_again(met: Bench):
    """Its file may be gone, and the queue may be full: the job was accepted, and that stands."""
    met.request()
    met.leave()
    met.queue.limit = 0
    again = Bench(met.queue)
    again.board = Switchboard(SECRET, OWN_PORT, "0.1.0")  # one that has forgotten all
    again.clerk = Clerk(met.queue, broken_to_spec, Shelf(met.shelf))
    again.hello()
    assert names(again.request()) == ["job/ack", "job/accepted"]


def test_the_welcome_says_how_many_jobs_there_are_from_whomever(met: Bench):
    met.queue.submit("from-a-folder", "watch", to_spec(b'{"file_path":"/a.wav"}', "x"))
    met.request()
    assert json.loads(str(met.hello()[0].values["json"]))["busy"] == 2
    met.move("ended", state="failed", error_code="hung")
    assert json.loads(str(met.hello()[0].values["json"]))["busy"] == 1


# What is left out


def test_the_log_says_once_in_a_while_what_was_left_out(met: Bench, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        for _ in range(5000):
            met.receive(b"garbage!")
        met.receive(b"#bundle\0" + bytes(8))
        met.wait(9.0)
        assert caplog.messages == []
        met.wait(2.0)
        assert caplog.messages == ["OSC: left out 5000 unknown-address, 1 bundle"]
        met.wait(60.0)
        assert len(caplog.messages) == 1


def test_a_device_cannot_fill_the_log(met: Bench, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO):
        for number in range(1000):
            met.send("job/inserted", job=f"job-{number}", clips=1, notes=1)
    assert len(caplog.records) <= switchboards.LOG_LINES_PER_S


def test_ids_of_jobs_are_short_plain_words_and_are_read_back():
    key = (owner_of("i" * 64), "j" * 40)
    assert key_of(job_id(key)) == key
    assert len(job_id(key)) <= 64
    assert job_id(key).replace("-", "").isalnum()


@pytest.mark.parametrize("other", ["", "watch-123", "osc-", "osc-short", "0123456789abcdef-job"])
def test_ids_of_other_origins_are_nobodys(other: str):
    assert key_of(other) is None


def test_a_clerk_survives_a_queue_that_breaks(met: Bench, caplog: pytest.LogCaptureFixture):
    done = Clerk(met.queue, broken_to_spec, Shelf(met.shelf)).carry_out(Submit((owner_of("inst-a"), "job-1"), b"{}"))
    assert done.ending is not None
    assert done.ending.values["code"] == "internal"
    assert "RecursionError" in caplog.text


def test_an_idle_hour_of_a_device_takes_a_few_hundred_steps_and_leaves_nothing_behind(met: Bench):
    met.request()
    met.move("ended", state="cancelled")
    met.send("job/resultack", job="job-1")
    met.sent.clear()
    ticks = 0
    end_s = met.now_s + 3600.0
    ping_s = met.now_s + PING_IDLE_S
    while met.now_s < end_s:
        due_s = met.board.next_s()
        assert due_s is not None
        met.now_s = max(met.now_s, min(due_s, ping_s))
        if met.now_s >= ping_s:
            met.send("ping", inst="inst-a", seq=1)
            ping_s += PING_IDLE_S
        met.board.tick(met.now_s)
        met.settle()
        ticks += 1
    assert names(met.sent) == ["pong"] * 360
    assert ticks <= 3 * 360
    assert met.dropped() == {}
    met.wait(SESSION_LIFE_S)
    assert met.board.next_s() is None, "a device that is gone leaves nothing to do"
