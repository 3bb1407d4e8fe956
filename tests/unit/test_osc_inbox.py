"""Requests in parts: any order, any number of times, within limits."""

from __future__ import annotations

import pytest

from bridge.osc import inbox as inboxes
from bridge.osc.inbox import Conflict, Inbox, TooLarge, TooMany
from bridge.osc.protocol import MAX_PARTS, MAX_REQUEST_CHARS

KEY = ("device", "job")


def test_the_last_missing_part_gives_the_request_in_order():
    inbox = Inbox()
    assert inbox.add(KEY, 2, 3, "c") is None
    assert inbox.add(KEY, 0, 3, "a") is None
    assert inbox.add(KEY, 2, 3, "c") is None
    assert inbox.add(KEY, 1, 3, "b") == "abc"
    assert KEY not in inbox


def test_what_is_missing_is_told_from_the_lowest():
    inbox = Inbox()
    for index in (0, 1, 4):
        inbox.add(KEY, index, 6, "x")
    assert inbox.missing(KEY) == "2,3,5"


def test_what_is_missing_always_fits_its_message():
    inbox = Inbox()
    inbox.add(KEY, 0, MAX_PARTS, "x")
    missing = inbox.missing(KEY)
    assert missing.startswith("1,2,3,")
    inbox.add(KEY, MAX_PARTS - 1, MAX_PARTS, "x")
    for index in range(1, 1800):
        inbox.add(KEY, index, MAX_PARTS, "x")
    assert inbox.missing(KEY).startswith("1800,1801,")
    assert max(len(missing), len(inbox.missing(KEY))) <= 800


@pytest.mark.parametrize("part", [(0, 3, "a"), (0, 2, "other"), (2, 2, "c"), (-1, 2, "c")])
def test_a_part_that_disagrees_changes_nothing(part: tuple[int, int, str]):
    inbox = Inbox()
    inbox.add(KEY, 0, 2, "a")
    with pytest.raises(Conflict):
        inbox.add(KEY, *part)
    assert inbox.add(KEY, 1, 2, "b") == "ab"


def test_a_first_part_outside_its_total_opens_nothing():
    inbox = Inbox()
    with pytest.raises(Conflict):
        inbox.add(KEY, 5, 2, "a")
    assert len(inbox) == 0


def test_a_request_that_grows_too_large_is_forgotten():
    inbox = Inbox()
    inbox.add(KEY, 0, 3, "x" * (MAX_REQUEST_CHARS - 1))
    with pytest.raises(TooLarge):
        inbox.add(KEY, 1, 3, "xx")
    assert KEY not in inbox


def test_a_device_has_few_requests_open_and_does_not_take_the_room_of_others():
    inbox = Inbox()
    for number in range(inboxes.MAX_OPEN):
        inbox.add(("a", str(number)), 0, 2, "x")
    with pytest.raises(TooMany):
        inbox.add(("a", "more"), 0, 2, "x")
    inbox.add(("b", "0"), 0, 2, "x")
    inbox.drop(("a", "0"))
    inbox.add(("a", "more"), 0, 2, "x")


def test_what_is_held_for_all_together_is_bounded_and_given_back():
    inbox = Inbox()
    whole = "x" * MAX_REQUEST_CHARS
    keys = [(f"device{number}", "job") for number in range(inboxes.MAX_HELD_CHARS // MAX_REQUEST_CHARS)]
    for key in keys:
        inbox.add(key, 0, 2, whole)
    with pytest.raises(TooMany):
        inbox.add(("one", "more"), 0, 2, "x")
    for key in keys:
        inbox.drop(key)
    assert inbox.add(("one", "more"), 0, 1, whole) == whole
    assert len(inbox) == 0
