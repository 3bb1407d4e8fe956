"""Ends of jobs: when they are told, and for how long. Timers: which come when."""

from __future__ import annotations

import pytest

from bridge.osc import endings as all_endings
from bridge.osc.codec import encode
from bridge.osc.endings import Ending, Endings, failure
from bridge.osc.timers import Timers

KEY = ("device", "job")
DONE = Ending("job/result", {"path": "/a", "crc32": "00000000"})


def told_at(endings: Endings, now_s: float = 0.0) -> list[float]:
    """The times at which an end is told if nobody acknowledges it."""
    times = []
    next_s: float | None = now_s
    while next_s is not None:
        assert endings.tell(KEY, next_s) is DONE
        times.append(round(next_s, 3))
        next_s = endings.next_s(KEY)
    return times


def test_an_end_is_told_again_at_growing_gaps_for_a_minute():
    endings = Endings()
    endings.add(KEY, DONE, 0.0)
    assert told_at(endings) == [0.0, 0.3, 0.9, 2.1, 4.5, *(9.5 + 5 * more for more in range(11))]


def test_a_revived_end_is_told_over_again():
    endings = Endings()
    endings.add(KEY, DONE, 0.0)
    told_at(endings)
    endings.revive(KEY, 100.0)
    assert told_at(endings, 100.0)[:3] == [100.0, 100.3, 100.9]


def test_an_acknowledged_end_is_told_only_if_asked_for():
    endings = Endings()
    endings.add(KEY, DONE, 0.0)
    endings.acknowledge(KEY)
    assert endings.next_s(KEY) is None
    assert not list(endings.unacknowledged("device"))
    assert endings.tell(KEY, 5.0) is DONE


def test_an_end_is_not_told_twice_at_once():
    endings = Endings()
    endings.add(KEY, DONE, 0.0)
    assert endings.tell(KEY, 0.0) is DONE
    assert endings.tell(KEY, 0.1) is None


def test_the_first_end_of_a_job_is_its_only_one():
    endings = Endings()
    assert endings.add(KEY, DONE, 0.0)
    assert not endings.add(KEY, failure("cancelled"), 0.0)
    assert endings.tell(KEY, 0.0) is DONE


def test_the_oldest_ends_are_forgotten():
    endings = Endings()
    for number in range(all_endings.MAX_REMEMBERED + 5):
        endings.add(("device", str(number)), DONE, 0.0)
    assert len(endings) == all_endings.MAX_REMEMBERED
    assert ("device", "4") not in endings
    assert ("device", "5") in endings


@pytest.mark.parametrize(
    "code, sent",
    [("busy", "busy"), ("new-code", "new-code"), ("", "internal"), ("a b", "internal"), ("x" * 99, "internal")],
)
def test_a_failure_can_always_be_sent(code: str, sent: str):
    ending = failure(code, "ü" * 1000)
    assert ending.values["code"] == sent
    assert encode(ending.name, token="token-01", job="j", **ending.values)


def test_a_failure_without_a_text_gives_the_usual_advice():
    assert failure("busy").values["text"] == "Wait%20until%20some%20jobs%20are%20done%2C%20then%20convert%20again."


def test_timers_come_in_order_and_once():
    timers = Timers()
    timers.set(("b",), 2.0)
    timers.set(("a",), 1.0)
    timers.set(("late",), 9.0)
    assert timers.next_s() == 1.0
    assert list(timers.due(5.0)) == [("a",), ("b",)]
    assert list(timers.due(5.0)) == []
    assert timers.next_s() == 9.0


def test_a_moved_timer_comes_only_at_its_new_time():
    timers = Timers()
    timers.set(("a",), 1.0)
    timers.set(("a",), 3.0)
    assert list(timers.due(2.0)) == []
    assert ("a",) in timers
    timers.set(("a",), 2.5)
    assert list(timers.due(5.0)) == [("a",)]


def test_a_dropped_timer_never_comes():
    timers = Timers()
    timers.set(("a",), 1.0)
    timers.drop(("a",))
    timers.drop(("a",))
    assert timers.next_s() is None


def test_timers_moved_very_often_take_no_more_room():
    timers = Timers()
    for moment in range(10_000):
        timers.set(("a",), float(moment))
    assert len(timers._heap) < 100
    assert list(timers.due(1e9)) == [("a",)]
