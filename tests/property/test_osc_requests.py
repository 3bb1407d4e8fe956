"""Whatever order datagrams come in, however often: each request starts one job, and each job ends once."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import unquote

from hypothesis import given
from hypothesis import strategies as st

from bridge.osc.codec import Value, decode, encode, to_json
from bridge.osc.inbox import Inbox
from bridge.osc.orders import Clerk, Tell
from bridge.osc.shelf import Shelf
from bridge.osc.switchboard import Switchboard
from tests.integration.osc_support import SECRET, MemoryQueue, chunks_of, hello, to_spec

TOKEN = "token-aaaa"


@given(st.data(), st.text(min_size=1, max_size=60))
def test_parts_in_any_order_and_number_give_the_request(data: st.DataObject, text: str):
    size = data.draw(st.integers(1, 7))
    chunks = [text[start : start + size] for start in range(0, len(text), size)]
    order = data.draw(st.permutations(range(len(chunks))))
    repeated = data.draw(st.lists(st.sampled_from(order[:-1]), max_size=10)) if len(order) > 1 else []
    inbox = Inbox()
    for index in [*order[:-1], *repeated]:
        assert inbox.add(("a", "b"), index, len(chunks), chunks[index]) is None
        missing = {int(number) for number in inbox.missing(("a", "b")).split(",")}
        assert order[-1] in missing
    assert inbox.add(("a", "b"), order[-1], len(chunks), chunks[order[-1]]) == text
    assert len(inbox) == 0


REQUEST = {"file_path": "/music/söng.wav", "filler": "x" * 1800}
CHUNKS = chunks_of(REQUEST)
ACTIONS = st.one_of(
    st.tuples(st.just("part"), st.sampled_from("ab"), st.integers(0, len(CHUNKS) - 1)),
    st.tuples(st.sampled_from(["cancel", "ack", "hello", "end", "progress", "work", "wait"]), st.sampled_from("ab")),
)


class Story:
    """A device, the switchboard, a clerk who works when he is told, and a queue."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.queue = MemoryQueue()
        self.board = Switchboard(SECRET, 17900, "0")
        self.clerk = Clerk(self.queue, to_spec, Shelf(Path("/nowhere")))
        self.queue.subscribe(lambda event: self.board.job_moved(event.job, self.now_s))
        self.ends: dict[str, set[tuple[str, Value]]] = {}
        self.do("hello", "")

    def send(self, name: str, **values: Value) -> None:
        self.board.receive(encode(name, **values), "127.0.0.1", self.now_s)

    def do(self, action: str, job: str, index: int = 0) -> None:
        if action == "part":
            self.send("job/part", token=TOKEN, job=job, idx=index, total=len(CHUNKS), chunk=CHUNKS[index])
        elif action == "cancel":
            self.send("job/cancel", token=TOKEN, job=job)
        elif action == "ack":
            self.send("job/resultack", token=TOKEN, job=job)
        elif action == "hello":
            self.send("hello", json=to_json(hello()))
        elif action == "work":
            self.work()
        elif action == "wait":
            self.now_s += 0.4
            self.board.tick(self.now_s)
        else:
            self.move(action, job)
        self.hear()

    def move(self, action: str, job: str) -> None:
        for known in self.queue.jobs(10):
            if known.id.endswith(f"-{job}") and not known.ended:
                if action == "end":
                    self.queue.move(known.id, "ended", state="failed", error_code="hung")
                else:
                    self.queue.move(known.id, "progress", state="running", stage="separate", fraction=0.5)

    def work(self) -> None:
        if self.board.outbox.orders:
            done = self.clerk.carry_out(self.board.outbox.orders.pop(0))
            if done.accepted:
                self.board.job_accepted(done.order.key, self.now_s)
            if done.ending is not None:
                self.board.job_ended(done.order.key, done.ending, self.now_s)
            if not isinstance(done.order, Tell):
                self.board.order_done(done.order)

    def hear(self) -> None:
        for _, datagram in self.board.outbox.outgoing:
            packet = decode(datagram, to="device")
            if packet.name in ("job/error", "job/result"):
                end = (packet.name, packet.values.get("code", ""))
                self.ends.setdefault(packet.text("job"), set()).add(end)
        self.board.outbox.outgoing.clear()


@given(st.lists(ACTIONS, max_size=60))
def test_whatever_comes_each_job_starts_at_most_once_and_ends_exactly_once(actions: list[tuple[object, ...]]):
    story = Story()
    for action in actions:
        story.do(*action)  # type: ignore[arg-type]
    # Bring both jobs to their end: send everything, let the clerk do everything, let the queue finish.
    for job in "ab":
        for index in range(len(CHUNKS)):
            story.do("part", job, index)
    while story.board.outbox.orders:
        story.do("work", "")
    for job in "ab":
        story.do("end", job)
    while story.board.outbox.orders:
        story.do("work", "")
    story.do("hello", "")
    for job in "ab":
        story.do("wait", job)
        story.do("part", job, 0)
    assert len(story.queue.submissions) == len(set(story.queue.submissions)) <= 2
    assert {job: len(ends) for job, ends in story.ends.items()} == {"a": 1, "b": 1}
    for known in story.queue.jobs(10):
        assert known.spec.source == REQUEST["file_path"]


def test_the_request_of_these_tests_has_several_parts():
    assert len(CHUNKS) == 3
    assert json.loads(unquote("".join(CHUNKS))) == REQUEST
